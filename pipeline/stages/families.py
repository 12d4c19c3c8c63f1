"""Keeps the list of families in dvc.yaml equal to search_spaces/; `make study` and `make test` run it first."""

import re
from pathlib import Path

from pipeline.files import write_text
from pipeline.process import run_and_exit
from pipeline.workspace import current_workspace


def with_families(text: str, folder: Path) -> str:
    """The text of dvc.yaml with the families that lie in `folder`."""
    names = ", ".join(sorted(path.stem for path in folder.glob("[!_]*.py")))
    return re.sub(r"(foreach: &families) \[.*?\]", rf"\1 [{names}]", text, count=1)


def main() -> None:
    """Write dvc.yaml where its list is another one."""
    root = current_workspace().root
    text = (root / "dvc.yaml").read_text()
    renewed = with_families(text, root / "search_spaces")
    if renewed != text:
        write_text(root / "dvc.yaml", renewed)
        print("dvc.yaml: lists the families of search_spaces/")


if __name__ == "__main__":
    run_and_exit(main)
