"""All cases in all their versions."""

from tests.golden.case import in_versions
from tests.golden.config_cases import CONFIG_CASES
from tests.golden.data_cases import DATA_CASES
from tests.golden.group_cases import GROUP_CASES
from tests.golden.topic_cases import TOPIC_CASES

GOLDENS = in_versions([*DATA_CASES, *TOPIC_CASES, *CONFIG_CASES, *GROUP_CASES])
