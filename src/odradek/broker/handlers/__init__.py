"""One module per API, named as in kio: its docstring gives the API key, the versions and what they changed."""
