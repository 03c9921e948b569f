"""A graph in, an engine out: TensorRT's own parser and builder, the same way for every version.

What a version has is asked of its module. TensorRT 10 is told that types are to be obeyed, 11 does nothing else;
precision flags, gone in 11, are never used. No onnx, no torch: this runs on a Jetson.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.runtimes.cudart import CudaError, Cudart, Gpu, describe_gpu, find_library
from edge.runtimes.tensorrt_api import TensorRT, flavour_of, make_logger, open_tensorrt
from landing.errors import ModelError
from landing.model.manifest import BuilderOptions, Precision, TensorSpec

MIB = 1 << 20
L4T_RELEASE = Path("/etc/nv_tegra_release")


@dataclass(frozen=True)
class Built:
    """An engine that TensorRT made.

    Attributes:
        engine: Serialised.
        layers: Of the network before TensorRT fused any.
        inputs, outputs: By name.
        warnings: That TensorRT gave, once each.
        timing_cache: For the next build; None where this TensorRT keeps none.
    """

    engine: bytes
    seconds: float
    layers: int
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    warnings: tuple[str, ...]
    timing_cache: bytes | None


def find_gpu() -> Gpu:
    """The GPU an engine would be built for.

    Raises:
        CudaError: There is none, or no driver.
    """
    return describe_gpu(Cudart(find_library()))


def l4t_release(path: Path = L4T_RELEASE) -> str:
    """Release of Jetson Linux, as ``36.4.3``; empty on another machine."""
    try:
        words = path.read_text("utf-8").replace(",", " ").split()
    except OSError:
        return ""
    # "# R36 (release), REVISION: 4.3, GCID: ..."
    major = next((word[1:] for word in words if word[:1] == "R" and word[1:].isdigit()), "")
    minor = words[words.index("REVISION:") + 1] if "REVISION:" in words[:-1] else ""
    return f"{major}.{minor}".strip(".")


def require_builder(check_only: bool) -> tuple[TensorRT, Gpu | None]:
    """TensorRT and the GPU to build for; where no engine is wanted, TensorRT for RTX will do without a GPU.

    Raises:
        ModelError: Something is missing; says what.
    """
    module = open_tensorrt()
    try:
        return module, find_gpu()
    except CudaError as error:
        if check_only and flavour_of(module) == "tensorrt_rtx":
            return module, None
        also = "; only tensorrt_rtx builds without one" if check_only else ""
        raise ModelError(f"no GPU here ({error}){also}") from error


def build(
    module: TensorRT, graph: bytes, precision: Precision, options: BuilderOptions, timing_cache: bytes | None = None
) -> Built:
    """Parses a prepared graph and builds its engine. Takes seconds to minutes.

    The graph decides the precision; its name is for messages. `timing_cache` is of earlier builds here.

    Raises:
        ModelError: TensorRT does not take the graph (names the node and the reason), cannot build it, or lacks what the
            options ask for.
    """
    log = make_logger(module)
    try:
        builder = module.Builder(log)
    except TypeError as error:  # how the bindings say that the library gave nothing
        raise ModelError(f"TensorRT does not start: {_reason(log) or error}") from error
    network = builder.create_network(_network_flags(module))
    parser = module.OnnxParser(network, log)
    # A configuration that the parser's answers may depend on (DLA) comes before parsing.
    config = builder.create_builder_config()
    _configure(module, builder, config, options)
    if not parser.parse(graph):
        raise ModelError(f"TensorRT {module.__version__} does not take the graph: {_errors(parser)}")
    cache = _attach_cache(config, timing_cache)
    started = time.perf_counter()
    serialized = builder.build_serialized_network(network, config)
    seconds = time.perf_counter() - started
    if serialized is None:
        raise ModelError(
            f"TensorRT {module.__version__} cannot build the {precision} engine: {_reason(log) or 'no reason given'}"
        )
    return Built(
        bytes(serialized),
        seconds,
        network.num_layers,
        _tensors(network.get_input, network.num_inputs),
        _tensors(network.get_output, network.num_outputs),
        tuple(dict.fromkeys(text for is_error, text in log.said if not is_error)),
        bytes(cache.serialize()) if cache is not None else None,
    )


def _network_flags(module: TensorRT) -> int:
    """Obey the types of the graph, where that has to be asked for."""
    flag = getattr(module.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _configure(module: TensorRT, builder: Any, config: Any, options: BuilderOptions) -> None:
    if options.workspace_mb is not None:
        config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, options.workspace_mb * MIB)
    if hasattr(module.BuilderFlag, "TF32"):
        # float32 is what others are compared with; who wants speed takes float16.
        config.clear_flag(module.BuilderFlag.TF32)
    if options.dla_core is None:
        return
    cores = builder.num_DLA_cores
    if options.dla_core >= cores:
        has = "no DLA" if not cores else f"DLA cores 0 to {cores - 1}"
        raise ModelError(
            f"--dla {options.dla_core}: TensorRT {module.__version__} finds {has} here (Orin Nano "
            "and Thor have none, and between 10.7 and 11.4 TensorRT drives none). Leave --dla out"
        )
    config.default_device_type = module.DeviceType.DLA
    config.DLA_core = options.dla_core
    config.set_flag(module.BuilderFlag.GPU_FALLBACK)


def _attach_cache(config: Any, stored: bytes | None) -> Any | None:
    """A timing cache for this build, or None where this TensorRT has none to give."""
    if stored is None:
        return None
    for content in (stored, b""):
        cache = config.create_timing_cache(content)
        # One of another GPU or TensorRT is refused; then an empty one takes its place.
        if cache is not None and config.set_timing_cache(cache, False):
            return cache
    return None


def _errors(parser: Any) -> str:
    """The parser's errors, each with its node."""
    lines = []
    for i in range(parser.num_errors):
        error = parser.get_error(i)
        name = error.node_name() if hasattr(error, "node_name") else ""
        operator = error.node_operator() if hasattr(error, "node_operator") else ""
        where = f"{operator} {name}".strip() or f"node {error.node()}"
        lines.append(f"{where}: {error.desc().strip()[:300]}")
    return "; ".join(dict.fromkeys(lines)) or "it gave no reason"


def _reason(log: Any) -> str:
    """The last thing TensorRT called an error."""
    errors: list[str] = [text.strip() for is_error, text in log.said if is_error]
    return errors[-1][:300] if errors else ""


def _tensors(get: Any, count: int) -> dict[str, TensorSpec]:
    found = {}
    for i in range(count):
        tensor = get(i)
        dtype = str(tensor.dtype).rpartition(".")[2].lower()
        found[tensor.name] = TensorSpec(dtype=dtype, shape=tuple(int(n) for n in tensor.shape))
    return found
