"""The hatchling hooks: they make the fork's wheel out of the pinned upstream distribution in the build environment.

Promises: metadata is upstream's but for the version; the wheel holds the composed package, nothing else; an editable
install lays the tree and points at it. Whatever is refused ends the build with one sentence on the error stream, no
traceback, and no file left behind. No network, no git.

The distribution is `<upstream>.0+background.<n>`. `openai.__version__` stays upstream's, because the client sends it in
its headers (User-Agent, X-Stainless-Package-Version) and the fork sends the same bytes as the release it is made from.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Generator
from pathlib import Path
from tempfile import TemporaryDirectory
from contextlib import suppress, contextmanager

from hatchling.metadata.spec import project_metadata_from_core_metadata
from hatchling.metadata.plugin.interface import MetadataHookInterface
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))

from forktools import Refusal, pin, compose  # noqa: E402

# What the fork says as upstream says it. The rest (name, licence files) is in pyproject.toml.
INHERITED = ("description", "requires-python", "license", "classifiers", "dependencies", "optional-dependencies")

# Set by scripts/bootstrap, which may be run in the middle of an edit, and has laid the tree already.
KEEP_EDITS = "OPENAI_FORK_KEEP_EDITS"


@contextmanager
def _refusals(output: str) -> Generator[None]:
    try:
        yield
    except Refusal as refusal:
        with suppress(OSError):
            os.rmdir(output)  # a front end or hatchling has made it; one that holds anything stays
        # Not an exception: front ends would show a traceback of the back end around the one sentence.
        raise SystemExit(f"openai fork: {refusal}") from None


class UpstreamMetadata(MetadataHookInterface):
    """The version from the pin, everything else from the pinned distribution's metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fills the dynamic fields of the project table."""
        with _refusals(os.path.join(self.root, "dist")):
            pinned = pin.load(Path(self.root))
            found = pin.find(pinned.upstream)
        inherited = project_metadata_from_core_metadata(found.read_text("METADATA") or "")
        metadata["version"] = pinned.version
        metadata.update({key: inherited[key] for key in INHERITED if key in inherited})


class ComposedPackage(BuildHookInterface[Any]):
    """The package from pin and patches."""

    _folder: TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Composes into a temporary folder for the wheel, or into src/openai for an editable install."""
        root = Path(self.root)
        with _refusals(self.directory):
            pinned = pin.load(root)
            upstream = pin.read(pin.find(pinned.upstream))
            composed = compose.compose(root, upstream)
            if version == "editable":
                compose.lay_missing(root, composed, keep_edits=os.environ.get(KEEP_EDITS) == "1")
                return
            compose.check_own(root, composed, upstream)
            compose.check_notice(root, pinned, composed, upstream)
        self._folder = TemporaryDirectory(prefix="openai-fork-")
        for path, content in composed.package():
            target = Path(self._folder.name, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        build_data["force_include"][str(Path(self._folder.name, pin.PACKAGE))] = pin.PACKAGE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Removes the temporary folder."""
        if self._folder is not None:
            self._folder.cleanup()
