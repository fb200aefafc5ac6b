"""Shell completion of names that only a broker knows. Silent and quick: a missing broker completes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from odradek.cli.session import Session

_TIMEOUT_S = 2.0


def complete_topic(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of topics that start with what was typed; internal ones only when their underscores were."""
    names = _ask(ctx, lambda session: list(session.admin().list_topics(timeout=_TIMEOUT_S).topics))
    return sorted(name for name in names if name.startswith(incomplete) and (incomplete or name[:2] != "__"))


def complete_group(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of groups that start with what was typed."""
    names = _ask(ctx, _group_names)
    return sorted(name for name in names if name.startswith(incomplete))


def _group_names(session: Session) -> list[str]:
    listing = session.admin().list_consumer_groups(request_timeout=_TIMEOUT_S).result()
    return [group.group_id for group in listing.valid]


def _ask(ctx: typer.Context, question: Any) -> list[str]:
    from odradek.cli.session import Session

    try:
        return list(question(Session.of(ctx, ctx.params.get("bootstrap"), False)))
    except Exception:
        # Completion has no place to tell an error: the shell would show it inside the prompt.
        return []
