"""The one exception for users' mistakes."""


class FddError(ValueError):
    """A mistake in what was asked for: names the argument, the value and what would be right."""


def missing_extra(extra: str, error: ImportError) -> FddError:
    """The error for an optional dependency that is not installed."""
    return FddError(f"this needs the package {error.name!r}: pip install 'fdd[{extra}]'")
