"""Progress in a notebook: one plain-text output below the cell, updated in place, without widgets."""

from collections.abc import Callable

from rich.console import Console, RenderableType

COLUMNS = 120


class Cell:
    """Permanent lines and, below them, a live `view`, in the output of the running cell."""

    def __init__(self, view: Callable[[], RenderableType]) -> None:
        from IPython.display import display

        self._view, self._lines = view, list[str]()
        self._output = display({"text/plain": ""}, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def line(self, text: str) -> None:
        """Add a permanent line."""
        self._lines.append(text)
        self.refresh()

    def refresh(self) -> None:
        """Redraw the view."""
        console = Console(width=COLUMNS, force_terminal=False, force_jupyter=False)
        with console.capture() as captured:
            console.print(self._view())
        self._show(captured.get())

    def close(self) -> None:
        """Remove the view and keep the lines."""
        self._show("")

    def _show(self, view: str) -> None:
        text = "\n".join([*self._lines, view]).rstrip()
        self._output.update({"text/plain": text}, raw=True)
