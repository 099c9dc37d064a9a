"""rattler-build: the variants of a recipe, rendered, and built into packages."""

import atexit
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from rattler_build import (
    JinjaConfig,
    PlatformConfig,
    RattlerBuildError,
    RenderConfig,
    RenderedVariant,
    Stage0Recipe,
    ToolConfiguration,
    VariantConfig,
)

# py-rattler's threads let go of the interpreter a moment after they have given their result. A
# Python that ends just then is aborted, as one in three did right after index_fs.
atexit.register(time.sleep, 0.5)

PLATFORM = "linux-64"
#: One value for each key of a configuration.
Variant = dict[str, Any]


class BuildFailed(Exception):
    """The package could not be built, or its tests failed; the text is the end of the log."""


def configuration(*files: Path, platform: str = PLATFORM) -> VariantConfig:
    """Return what conda_build_config.yaml files say; the later ones have the last word."""
    jinja = JinjaConfig(platform=PlatformConfig(target_platform=platform))
    config = VariantConfig()
    for path in files:
        config = config.merge(VariantConfig.from_conda_build_config(path, jinja))
    return config


def alone(variant: Variant) -> VariantConfig:
    """Return a configuration with one variant."""
    return VariantConfig({key: [value] for key, value in variant.items()})


def render(
    recipe: Path, config: VariantConfig, platform: str = PLATFORM, machine: str = PLATFORM
) -> list[RenderedVariant]:
    """Return the recipe for each variant that is not skipped, built for a platform on another."""
    platforms = PlatformConfig(target_platform=platform, build_platform=machine)
    stage = Stage0Recipe.from_file(recipe)
    return stage.render(config, RenderConfig(platform=platforms))


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
    recipe: Path, variant: Variant, channel: str, target: Path, croot: Path, *,
    with_tests: bool = True,
) -> tuple[Path, str]:  # fmt: skip
    """Build one variant into a channel's folder and return the package's path and the log."""
    log = Log()
    config = ToolConfiguration(test_strategy="native" if with_tests else "skip")
    with tempfile.TemporaryDirectory(dir=croot) as folder:
        try:
            [rendered] = render(recipe, alone(variant))
            result = rendered.run_build(
                config, output_dir=Path(folder, "out"), channels=[channel], progress_callback=log
            )
        except RattlerBuildError as error:
            raise BuildFailed("\n".join([*log.lines[-60:], str(error)])) from None
        [package] = map(Path, result.packages)
        (target / PLATFORM).mkdir(parents=True, exist_ok=True)
        built = Path(shutil.copy2(package, target / PLATFORM))
    return built, "\n".join(log.lines)
