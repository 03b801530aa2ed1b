"""A trained cell in eight bits, by onnxruntime and by PyTorch's torchao: accuracy and size before and after.

pip install onnxruntime onnxscript torchao scikit-learn; python examples/int8.py
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86
from train_digits import IMAGES, LEARN, SPACE, TEST, accuracy, train

from optuna_agnet.modules.export import export_onnx, export_pytorch

CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
CONFIG = x86.get_default_x86_inductor_quantization_config()
CALIBRATION = IMAGES[LEARN[:512]].split(64)  # what the ranges of values are measured on


class Batches(CalibrationDataReader):
    def __init__(self) -> None:
        self.left = [{"images": images.numpy()} for images in CALIBRATION]

    def get_next(self) -> dict | None:
        return self.left.pop() if self.left else None


def onnx_int8(file: Path, output: Path) -> None:
    quant_pre_process(file, output)
    quantize_static(output, output, Batches(), per_channel=True)


def pytorch_int8(file: Path, output: Path) -> None:
    quantizer = x86.X86InductorQuantizer().set_global(CONFIG)
    prepared = prepare_pt2e(torch.export.load(file).module(), quantizer)
    for images in CALIBRATION:
        prepared(images)
    model = convert_pt2e(prepared)
    used = {node.target for node in model.graph.nodes if node.op == "get_attr"}
    for name in {name for name, _ in model.named_parameters()} - used:
        owner, _, leaf = name.rpartition(".")
        delattr(model.get_submodule(owner), leaf)  # weights of which there is an int8 form now
    batch = {0: torch.export.Dim("batch", min=1)}
    program = torch.export.export(model, (CALIBRATION[0][:2],), dynamic_shapes=(batch,))
    torch.export.save(program, output)


def loaded(file: Path) -> Callable[[Tensor], Tensor]:
    if file.suffix == ".onnx":
        session = onnxruntime.InferenceSession(file)
        return lambda images: torch.as_tensor(session.run(None, {"images": images.numpy()})[0])
    return torch.export.load(file).module()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("demo"))
    args = parser.parse_args()
    args.folder.mkdir(exist_ok=True)
    model = train(SPACE.parse(CELL), LEARN, args.epochs, channels=32)
    forms = (export_onnx, onnx_int8, "onnx"), (export_pytorch, pytorch_int8, "pt2")
    for export, int8, suffix in forms:
        plain, small = (args.folder / f"cell{end}.{suffix}" for end in ("", "_int8"))
        export(model, plain, (1, 8, 8))
        int8(plain, small)
        for file in (plain, small):
            right, size = accuracy(loaded(file), TEST), file.stat().st_size
            print(f"{file.name:<15}{right:7.2%}{size / 1000:7,.0f} kB")


if __name__ == "__main__":
    main()
