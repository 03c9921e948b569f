"""Network that flies, and its runtime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field

from edge.runtimes.contract import RuntimeOptions
from edge.sections.base import Section


class ModelSection(Section):
    """Network and runtime."""

    path: Path = Field(description="model file made by `touchdown export`")
    runtime: Literal["auto", "onnxruntime", "openvino", "ncnn", "rknn", "hailo", "tensorrt"] = Field(
        default="auto", description="what runs it; auto chooses by file type"
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="of OpenVINO; auto: bf16 where the CPU has it and `export verify` passed at it"
    )
    providers: tuple[str, ...] = Field(
        default=("CPUExecutionProvider",),
        min_length=1,
        description="ONNX Runtime execution providers, in order of preference",
    )
    threads: int = Field(default=0, ge=0, le=64, description="threads of one inference; 0 leaves it to the runtime")
    allow_failed_gate: bool = Field(
        default=False, description="fly a model that `export verify` found to decide otherwise"
    )
    taxonomy: str | None = Field(
        default=None,
        description="other taxonomy of the same classes and roles (name or file), for its "
        "clearances; the model's own by default",
    )

    @property
    def threads_of_one(self) -> int | None:
        """Threads of one inference, or the cores there are for it; None where a GPU or an NPU runs it."""
        if self.path.suffix.lower() in (".engine", ".rknn", ".hef") or not self.providers[0].startswith("CPU"):
            return None
        return self.threads or len(os.sched_getaffinity(0))

    @property
    def options(self) -> RuntimeOptions:
        """For `edge.runtimes.load_runtime`."""
        return RuntimeOptions(
            self.runtime, self.providers, self.threads, self.allow_failed_gate, precision=self.precision
        )
