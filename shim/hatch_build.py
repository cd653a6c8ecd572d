"""The hatchling hooks of `openai-background`: they take the contract from the one place where it is written.

Promises: the files of `src/openai/lib/background` are in the wheel as `openai_background/_contract`, and those of
`BESIDE` beside it, byte for byte but for the imports that `MOVED` finds: they come from `openai_background._openai`,
since older releases of `openai` cannot serve them. The version is the version of that contract. Where the files are not
to be found, the build ends with one sentence. A source distribution carries them as they are written, so that it builds
without the repository.
"""

from __future__ import annotations

import re
from typing import Any, cast
from pathlib import Path
from tempfile import TemporaryDirectory
from functools import cached_property

from hatchling.metadata.plugin.interface import MetadataHookInterface
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKED = "src/openai_background/_contract"  # where a source distribution has them
BESIDE = ("_error_pickling.py", "_error_redaction.py")
"""What the contract's errors need of the folder above it; it stands beside `_contract`."""

MOVED = re.compile(
    r"^( *)(?:import (?=httpx2$)|from openai\.(?:_httpx2|types\.beta|lib\._response_resources) import )", re.MULTILINE
)
"""The beginnings of the imports that the wheel has from `_openai`; what they name is named there alike."""

_VERSION = re.compile(r'^CONTRACT_VERSION = "([0-9.]+)"$', re.MULTILINE)


def contract(root: Path) -> Path:
    """The folder of the contract: the repository's, or, in an unpacked source distribution, its own copy."""
    packed = (root / "PKG-INFO").is_file()
    folder = root / PACKED if packed else root.parent / "src" / "openai" / "lib" / "background"
    if not all(path.is_file() for path in (folder / "_table.py", *(folder.parent / name for name in BESIDE))):
        raise SystemExit(
            f"openai-background: {folder} does not hold the contract; build from a whole checkout of the repository, "
            "or from a source distribution made there."
        )
    return folder


class ContractVersion(MetadataHookInterface):
    """The version: that of the contract, with `.post<n>` for further releases of the same one."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fills the dynamic field of the project table."""
        found = _VERSION.search((contract(Path(self.root)) / "_table.py").read_text(encoding="utf-8"))
        if found is None:
            raise SystemExit("openai-background: _table.py names no CONTRACT_VERSION.")
        revision = int(cast(Any, self).config["revision"])
        metadata["version"] = found[1] + (f".post{revision}" if revision else "")


class Contract(BuildHookInterface[Any]):
    """The package that is not written here."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the files; an editable install has them by the link in the tree, as they are written: for 3.x only."""
        folder = contract(Path(self.root))
        if version == "editable":
            if not Path(self.root, PACKED, "_table.py").is_file():
                raise SystemExit(
                    f"openai-background: an editable install needs the link {PACKED}, and it is no link here."
                )
            return
        packed = self.target_name == "sdist"
        beside = [folder.parent / name for name in BESIDE]
        for path in [*sorted(folder.rglob("*.py")), *beside]:
            name = path.relative_to(folder.parent).as_posix().replace(f"{folder.name}/", "_contract/")
            source = path if packed else self._moved(path, name)
            build_data["force_include"][str(source)] = f"{'src/' if packed else ''}openai_background/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Nothing stays behind."""
        del version, build_data, artifact_path
        self._folder.cleanup()

    @cached_property
    def _folder(self) -> TemporaryDirectory[str]:
        return TemporaryDirectory(prefix="openai-background-")

    def _moved(self, path: Path, name: str) -> Path:
        """A file as it is in the wheel."""
        made = Path(self._folder.name, name)
        made.parent.mkdir(exist_ok=True)
        text = MOVED.sub(r"\1from openai_background._openai import ", path.read_text(encoding="utf-8"))
        made.write_text(text, encoding="utf-8", newline="\n")
        return made
