"""Progress in a notebook: one output of the cell, rewritten in place, as plain text and so without any widget."""

from collections.abc import Callable

from rich.console import Console, RenderableType

COLUMNS = 120


class Cell:
    """Lines that last and, below them, a live `view`, in the output of the cell that runs."""

    def __init__(self, view: Callable[[], RenderableType]) -> None:
        from IPython.display import display

        self._view, self._lines = view, list[str]()
        self._output = display({"text/plain": ""}, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def line(self, text: str) -> None:
        """Add a line that lasts."""
        self._lines.append(text)
        self.refresh()

    def refresh(self) -> None:
        """Show what is under way as it is now."""
        console = Console(width=COLUMNS, force_terminal=False, force_jupyter=False)
        with console.capture() as captured:
            console.print(self._view())
        self._show(captured.get())

    def close(self) -> None:
        """Leave the lines alone."""
        self._show("")

    def _show(self, view: str) -> None:
        text = "\n".join([*self._lines, view]).rstrip()
        self._output.update({"text/plain": text}, raw=True)
