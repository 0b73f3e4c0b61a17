"""Weights that torchvision and timm make, imported, predict what PyTorch predicts on the same real images."""

import csv
import pathlib
import subprocess
import sys
import tarfile
import unittest

from node import DATA, NodeTestCase

try:
    import numpy
    import safetensors.torch
    import timm
    import torch
    import torchvision
    from PIL import Image

    MISSING = ""
except ImportError as error:
    MISSING = f"{error}: needs torch, torchvision, timm, safetensors and pillow (cmake -D SKYTRAIN_TORCH_PYTHON=PYTHON)"

SIZE = 64
CLASSES = ["edge_on", "elliptical", "spiral"]
IMAGES = 8  # Of each class and split.
# The last layer is kept and hardly moves, everything else is frozen: predictions are those of the weights as imported.
EXPERIMENT = """
name: NAME
data:
  dataset: IMAGES
  splits: {validation: {fraction: 0.25, seed: 0}}
task: {classification: {}}
init: {model: MODEL, head: keep, freeze: [stem, stage1, stage2, stage3, stage4]}
train: {epochs: 1, batch_size: 18, precision: fp32}
optimizer: {adamw: {lr: 1.0e-12, weight_decay: 0}}
resources: {cpus: 1}
"""
NETWORKS = {
    "resnet18": lambda: torchvision.models.resnet18(num_classes=3),
    "resnet50": lambda: timm.create_model("resnet50", num_classes=3),
    "convnext_tiny": lambda: timm.create_model("convnext_tiny", num_classes=3),
    "convnext_nano": lambda: timm.create_model("convnext_nano", num_classes=3),
    "efficientnet_b0": lambda: timm.create_model("efficientnet_b0", num_classes=3),
    "vit_small": lambda: timm.create_model("vit_small_patch16_224", num_classes=3, img_size=SIZE),
}


def lively(model, images, seed=1):
    """Weights that make each layer matter: fresh ones hide a layer scale of 1e-6, a norm of (0, 1), a head of zeros."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_var"):
                tensor.copy_(1 + 0.2 * torch.rand(tensor.shape, generator=generator))
            elif tensor.dim() > 1 and "pos_embed" not in name and "cls_token" not in name:
                tensor.copy_(noise * (2 / tensor[0].numel()) ** 0.5)
            elif name.endswith("gamma"):
                tensor.copy_(0.3 + 0.1 * noise)
            elif name.endswith("weight"):
                tensor.copy_(1 + 0.1 * noise)
            else:
                tensor.add_(0.1 * noise)
        # Norms that know these images, and outputs of size one: else every softmax is 0 or 1.
        norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = None
            norm.reset_running_stats()
        model.train()(images)
        model.eval()
        head = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
        for _ in range(2):
            logits = model(images)
            head.bias.sub_(logits.mean(0))
            head.weight.div_(logits.std())
            head.bias.div_(logits.std())
    return model


@unittest.skipIf(MISSING, MISSING)
class PublishedWeightsTest(NodeTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.images = cls.node.root / "images"
        # As PNG of the model's size, so that both see the same bytes.
        counts = {}
        with tarfile.open(DATA / "galaxies3.tar") as archive:
            for member in archive:
                parts = pathlib.PurePath(member.name).parts
                if not member.isfile() or len(parts) != 3 or counts.get(parts[:2], 0) == IMAGES:
                    continue
                counts[parts[:2]] = counts.get(parts[:2], 0) + 1
                path = cls.images / parts[0] / parts[1] / (pathlib.PurePath(parts[2]).stem + ".png")
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.open(archive.extractfile(member)).convert("RGB").resize((SIZE, SIZE)).save(path)
        assert set(counts.values()) == {IMAGES} and len(counts) == 6, counts

    @staticmethod
    def inputs(paths):
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        pixels = torch.stack([torch.from_numpy(numpy.array(Image.open(path))) for path in paths]).float() / 255
        return ((pixels - mean) / std).permute(0, 3, 1, 2)

    def logits(self, model, paths):
        with torch.no_grad():
            return model(self.inputs(paths))

    def test_predictions_are_those_of_pytorch(self):
        for arch, make in NETWORKS.items():
            with self.subTest(arch):
                model = lively(make(), self.inputs(sorted((self.images / "train").rglob("*.png"))))
                weights = self.node.root / f"{arch}.safetensors"
                # As training scripts save: under a wrapper's prefix.
                safetensors.torch.save_file({f"module.{k}": v.contiguous() for k, v in model.state_dict().items()}, weights)
                imported = self.node.run("models", "import", weights, "--arch", arch, "--size", SIZE, "--classes",
                                         ",".join(CLASSES)).stdout.strip()
                self.check_report(model, imported)
                self.check_predictions(model, imported)

    def test_what_is_fetched_loads_into_torchvision(self):
        """The lines of README.md before torch.onnx.export."""
        source = torchvision.models.resnet18(num_classes=3)
        weights = self.node.root / "source.safetensors"
        safetensors.torch.save_file(source.half().state_dict(), weights)
        self.node.run("models", "import", weights, "--arch", "resnet18", "--name", "loads")
        self.node.run("fetch", "loads@1", "-o", self.node.root / "loads")
        model = torchvision.models.resnet18(num_classes=3)
        model.load_state_dict(safetensors.torch.load_file(self.node.root / "loads" / "model.safetensors"))
        self.assertEqual(model.fc.weight.dtype, torch.float32)
        for name, tensor in source.state_dict().items():
            self.assertTrue(torch.equal(tensor.float(), model.state_dict()[name].float()), name)

    def test_converting_lines_of_the_client_work(self):
        old = self.node.root / "old.pth"
        torch.save(torchvision.models.resnet18(num_classes=3).state_dict(), old)
        told = self.node.run("models", "import", old, "--arch", "resnet18", code=2).stderr
        lines = "\n".join(line.strip() for line in told.splitlines() if line.startswith("  "))
        subprocess.run([sys.executable, "-c", lines], cwd=self.node.root, check=True, timeout=120)
        self.assertEqual(self.node.run("models", "import", "old.safetensors", "--arch", "resnet18", "--name", "old").stdout,
                         "old@1\n")
        arrays = self.node.root / "arrays.npz"
        numpy.savez(arrays, **{name: tensor.numpy() for name, tensor in torch.load(old, weights_only=True).items()})
        told = self.node.run("models", "import", arrays, "--arch", "resnet18", code=2).stderr
        lines = "\n".join(line.strip() for line in told.splitlines() if line.startswith("  "))
        subprocess.run([sys.executable, "-c", lines], cwd=self.node.root, check=True, timeout=120)
        self.node.run("models", "import", "arrays.safetensors", "--arch", "resnet18", "--name", "arrays")

    def check_report(self, model, imported):
        report = self.node.json("evaluate", imported, "--data", self.images, "--split", "test")
        paths = [path for name in CLASSES for path in sorted((self.images / "test" / name).iterdir())]
        labels = torch.arange(3).repeat_interleave(IMAGES)
        loss = torch.nn.functional.cross_entropy(self.logits(model, paths), labels).item()
        self.assertAlmostEqual(self.value(report, "loss"), loss, delta=1e-4 * max(1, loss))

    def value(self, report, key):
        """Of the report, wherever the document has it."""
        if isinstance(report, dict):
            if key in report and not isinstance(report[key], (dict, list)):
                return report[key]
            report = list(report.values())
        for part in report if isinstance(report, list) else []:
            if (found := self.value(part, key)) is not None:
                return found
        return None

    def check_predictions(self, model, imported):
        job = self.node.submit(EXPERIMENT.replace("NAME", imported.split("@")[0]).replace("IMAGES", str(self.images))
                               .replace("MODEL", imported), "--wait")
        out = self.node.root / f"tuned-{imported.split('@')[0]}"
        self.node.run("fetch", job, "-o", out)
        with open(out / "predictions.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertGreaterEqual(len(rows), 3 * IMAGES)
        by_stem = {path.stem: path for path in self.images.rglob("*.png")}
        paths = [by_stem[pathlib.PurePath(row["id"]).stem] for row in rows]
        expected = torch.softmax(self.logits(model, paths), 1)
        found = torch.tensor([[float(row[f"probability/{name}"]) for name in CLASSES] for row in rows])
        self.assertGreater(expected.std(0).max().item(), 0.05, "the images make no difference to this network")
        self.assertLess((found - expected).abs().max().item(), 1e-4)


if __name__ == "__main__":
    unittest.main()
