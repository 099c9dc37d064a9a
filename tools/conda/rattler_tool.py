"""One run of rattler-build, from a translated recipe to a package."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from meta import PLATFORM
from rattler_build import (
    PlatformConfig,
    RattlerBuildError,
    RenderConfig,
    Stage0Recipe,
    ToolConfiguration,
)


class BuildFailed(Exception):
    """The package could not be built, or its tests failed; the text is the end of the log."""


class Log:
    """Keeps what rattler-build says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_log(self, event: Any) -> None:
        self.lines.append(event.message)

    def on_build_step(self, event: Any) -> None: ...

    def on_download_start(self, event: Any) -> None: ...

    def on_download_progress(self, event: Any) -> None: ...

    def on_download_complete(self, event: Any) -> None: ...


def build(
    recipe: dict[str, Any], channel: str, target: Path, croot: Path, *,
    with_tests: bool = True,
) -> tuple[Path, str]:  # fmt: skip
    """Build a package into a channel's folder and return its path and the log."""
    log = Log()
    config = ToolConfiguration(test_strategy="native" if with_tests else "skip")
    with tempfile.TemporaryDirectory(dir=croot) as folder:
        stage = Stage0Recipe.from_dict(recipe, recipe_dir=Path(folder, "recipe"))
        platform = RenderConfig(platform=PlatformConfig(target_platform=PLATFORM))
        try:
            [variant] = stage.render(render_config=platform)
            result = variant.run_build(
                config, output_dir=Path(folder, "out"), channels=[channel], progress_callback=log
            )
        except RattlerBuildError as error:
            raise BuildFailed("\n".join([*log.lines[-60:], str(error)])) from None
        [package] = map(Path, result.packages)
        (target / PLATFORM).mkdir(parents=True, exist_ok=True)
        built = Path(shutil.copy2(package, target / PLATFORM))
    return built, "\n".join(log.lines)
