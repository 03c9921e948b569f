"""Making bundles: the same bytes every time, and nothing in them that does not belong there."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from deploy.bundle import UNITS
from deploy.configuration import MODEL_PATH, with_values
from deploy.errors import BundleError
from deploy.keys import generate, load_private, load_public
from deploy.manifest import BundleManifest, Target, parse_manifest
from deploy.unpack import verify_bundle
from edge.check import example_text
from landing.distribution import VERSION
from landing.errors import ConfigError, ModelError, TouchdownError
from landing.model.artefact import GateReport
from tests.deploy.rig import ROOT, Kit, config_text, fake_wheel
from tests.edge import fake_model

CALIBRATION = """image_width: 160
image_height: 120
camera_matrix: {rows: 3, cols: 3, data: [110., 0., 80., 0., 110., 60., 0., 0., 1.]}
distortion_coefficients: {rows: 1, cols: 5, data: [0., 0., 0., 0., 0.]}
"""


def manifest_of(kit: Kit, bundle: Path) -> BundleManifest:
    return verify_bundle(bundle, (load_public(kit.public),))[0]


def test_the_same_inputs_give_the_same_bytes(kit: Kit, tmp_path: Path) -> None:
    """Whatever the time, the folder, the modes and owners of files, the locale, the hash seed."""
    copies = tmp_path / "elsewhere"
    shutil.copytree(kit.folder, copies)
    for path in copies.rglob("*.png"):
        path.chmod(0o600)
        os.utime(path, (10**9, 10**9))
    words = [
        sys.executable,
        "-m",
        "touchdown",
        "deploy",
        "bundle",
        "--model",
        "colours.onnx",
        "--config",
        "edge.toml",
        "--key",
        "fleet.key",
        "--samples",
        "samples",
        "--out",
        "again/field.tar.zst",
    ]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=copies, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (copies / "again" / "field.tar.zst").read_bytes() == kit.bundle.read_bytes()


def test_the_manifest_names_every_byte(kit: Kit) -> None:
    manifest = manifest_of(kit, kit.bundle)
    data = zstandard.ZstdDecompressor().stream_reader(kit.bundle.open("rb")).read()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
        assert [m.name for m in members[:2]] == ["manifest.json", "manifest.sig"]
        assert [m.name for m in members[2:]] == [e.path for e in manifest.files]
        for member, entry in zip(members[2:], manifest.files, strict=True):
            content = tar.extractfile(member)
            assert content is not None
            assert hashlib.sha256(content.read()).hexdigest() == entry.sha256
            assert (member.mode, member.uid, member.mtime, member.uname) == (0o644, 0, 0, "root")
    assert {e.path for e in manifest.files} == {
        "edge.toml",
        "model/colours.onnx",
        "samples/car.png",
        "samples/pond.png",
        *(f"systemd/{unit}" for unit in UNITS),
    }
    assert manifest.signed_by == load_public(kit.public).key_id
    assert [(s.path, s.site) for s in manifest.samples] == [("samples/car.png", True), ("samples/pond.png", False)]


def test_the_gate_report_travels_with_the_model(kit: Kit, tmp_path: Path) -> None:
    gate = GateReport(passed=True, frames=12, against="colours.pt", measured={"agreement": 0.999})
    model = fake_model.with_gate(kit.model, tmp_path / "gated.onnx", gate)
    assert manifest_of(kit, kit.bundle).model.gate is None
    bundle = kit.pack(out=tmp_path / "g.tar.zst", model=model)
    assert manifest_of(kit, bundle).model.gate == gate


def test_a_model_that_failed_its_gate_goes_into_no_bundle(kit: Kit, tmp_path: Path) -> None:
    gate = GateReport(passed=False, frames=12, against="colours.pt", failures=("person recall",))
    model = fake_model.with_gate(kit.model, tmp_path / "gated.onnx", gate)
    with pytest.raises(ModelError, match="gate FAILED"):
        kit.pack(out=tmp_path / "g.tar.zst", model=model)
    assert not (tmp_path / "g.tar.zst").exists()


def test_it_is_an_ordinary_tar(kit: Kit, tmp_path: Path) -> None:
    if shutil.which("zstd") is None:
        pytest.skip("no zstd program here")
    listed = subprocess.run(
        ["tar", "--zstd", "-tf", str(kit.bundle)], capture_output=True, text=True, check=True, timeout=30
    )
    assert listed.stdout.splitlines()[:3] == ["manifest.json", "manifest.sig", "edge.toml"]


def test_long_names(kit: Kit, tmp_path: Path) -> None:
    model = tmp_path / ("m" * 90 + ".onnx")
    shutil.copy(kit.model, model)
    assert manifest_of(kit, kit.pack(out=tmp_path / "l.tar.zst", model=model)).model.path.endswith(model.name)
    model = model.rename(tmp_path / ("m" * 140 + ".onnx"))
    with pytest.raises(BundleError, match=r"expected letters, digits|too long"):
        kit.pack(out=tmp_path / "l.tar.zst", model=model)


def test_calibration_and_taxonomy_come_along(kit: Kit, tmp_path: Path) -> None:
    (tmp_path / "lens.yaml").write_text(CALIBRATION)
    taxonomy = ROOT / "landing" / "taxonomies" / "synthetic.toml"
    shutil.copy(taxonomy, tmp_path / "mine.toml")
    text = config_text("x.onnx", tmp_path / "events.jsonl")
    text = text.replace("hfov_deg = 70", 'calibration = "lens.yaml"')
    text += '[expert.model]\ntaxonomy = "mine.toml"\n'
    config = tmp_path / "edge.toml"
    config.write_text(text)
    bundle = kit.pack(out=tmp_path / "c.tar.zst", config=config)
    assert {"camera/lens.yaml", "taxonomy/mine.toml"} <= {e.path for e in manifest_of(kit, bundle).files}
    (tmp_path / "other.yaml").write_text(CALIBRATION.replace("110.", "120."))
    bundle = kit.pack(out=tmp_path / "c.tar.zst", config=config, camera_info=tmp_path / "other.yaml")
    assert "camera/other.yaml" in {e.path for e in manifest_of(kit, bundle).files}
    (tmp_path / "other.yaml").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"other\.yaml"):
        kit.pack(out=tmp_path / "c.tar.zst", config=config, camera_info=tmp_path / "other.yaml")
    with pytest.raises(BundleError, match="gives its lens by hfov_deg"):
        kit.pack(out=tmp_path / "c.tar.zst", camera_info=tmp_path / "lens.yaml")


@pytest.mark.parametrize(
    ("before", "after", "kind", "words"),
    [
        (
            'source = "v4l2:///dev/video0"',
            'source = "images://clips"',
            BundleError,
            r"\[camera\] source = .* absolute path",
        ),
        ("hfov_deg = 70", "hfov_deg = 700", ConfigError, "hfov_deg"),
        ("threads = 1", "thread = 1", ConfigError, "thread"),
        (
            '[log]\nevents = "/',
            '[log]\nevents = "',
            BundleError,
            r"\[log\] events = .* would lie in the release.*/var/log/touchdown/events\.jsonl",
        ),
        (
            'folder = "/var/log/touchdown/recordings"',
            "",
            BundleError,
            r"\[recorder\] folder = .* would lie in the release.*/var/log/touchdown/recordings",
        ),
    ],
)
def test_configurations_that_could_not_fly_from_a_release(
    kit: Kit, tmp_path: Path, before: str, after: str, kind: type[TouchdownError], words: str
) -> None:
    text = config_text("x.onnx", Path("/var/log/touchdown/events.jsonl"))
    assert before in text
    config = tmp_path / "edge.toml"
    config.write_text(text.replace(before, after))
    with pytest.raises(kind, match=words):
        kit.pack(out=tmp_path / "c.tar.zst", config=config)
    assert not (tmp_path / "c.tar.zst").exists()


def test_a_black_box_that_is_off_needs_no_place(kit: Kit, tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    text = config_text("x.onnx", Path("/var/log/touchdown/events.jsonl")).partition("[recorder]")[0]
    config.write_text(text + "[expert.recorder]\nenabled = false\n")
    assert kit.pack(out=tmp_path / "c.tar.zst", config=config).is_file()


def test_the_example_configuration_can_be_bundled(kit: Kit, tmp_path: Path) -> None:
    """As printed by `edge check --print-default`, after the two changes that are asked for."""
    config = tmp_path / "edge.toml"
    text = example_text()
    for name, before in (("events.jsonl", '"events.jsonl"'), ("recordings", '# [recorder]\n# folder = "recordings"')):
        config.write_text(text)
        with pytest.raises(BundleError, match=f'"/var/log/touchdown/{name}"'):
            kit.pack(out=tmp_path / "e.tar.zst", config=config)
        after = before.replace("# ", "").replace(name, f"/var/log/touchdown/{name}")
        assert before in text
        text = text.replace(before, after)
    config.write_text(text)
    kit.pack(out=tmp_path / "e.tar.zst", config=config)


@pytest.mark.parametrize(
    "text",
    [
        "[model]\npath = 'a.onnx' # c\nthreads = 2\n",
        '[camera]\nx = 1\n[model]\n  path="a.onnx"\n',
        '[camera]\npath = "not this"\n[ model ] # here\nthreads = 2\n[link]\npath = "nor this"\n',
        '[model]\r\npath = "a.onnx"\r\n',
    ],
)
def test_values_are_replaced_in_the_text(text: str) -> None:
    changed = with_values(text, {MODEL_PATH: 'b "c".onnx'}, Path("edge.toml"))
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    old, new = tomllib.loads(text), tomllib.loads(changed)
    assert new["model"].pop("path") == 'b "c".onnx'
    old["model"].pop("path", None)
    assert new == old


@pytest.mark.parametrize(
    "text",
    [
        'model = { path = "a.onnx" }\n',
        'model.path = "a.onnx"\n',
        '[model]\npath = """a.onnx"""\n',
        '[model]\n"path" = "a.onnx"\n',
    ],
)
def test_values_that_cannot_be_replaced_safely_are_refused(text: str) -> None:
    with pytest.raises(BundleError, match="cannot be changed safely"):
        with_values(text, {MODEL_PATH: "b.onnx"}, Path("edge.toml"))


def test_keys(tmp_path: Path) -> None:
    private = tmp_path / "keys" / "fleet.key"
    previous = os.umask(0)
    try:
        public, key = generate(private)
    finally:
        os.umask(previous)
    assert private.stat().st_mode & 0o777 == 0o600 and public.stat().st_mode & 0o777 == 0o644
    assert load_public(public).key_id == key.key_id
    assert key.verifies(load_private(private).sign(b"x"), b"x")
    assert not key.verifies(load_private(private).sign(b"x"), b"y")
    with pytest.raises(BundleError, match="exists and is not overwritten"):
        generate(private)
    private.chmod(0o640)
    with pytest.raises(BundleError, match="has mode 0640: others on this machine can read it"):
        load_private(private)
    private.chmod(0o600)
    with pytest.raises(BundleError, match="is a private key: it belongs on the workstation"):
        load_public(private)
    with pytest.raises(BundleError, match="is no private key"):
        public.chmod(0o600)
        load_private(public)
    for name in ("none", "none.pub"):
        with pytest.raises(BundleError, match="does not exist"):
            (load_public if name.endswith("pub") else load_private)(tmp_path / name)


def test_keys_of_openssl_are_taken_if_they_are_ed25519(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    for kind, fine in (("ed25519", True), ("ed448", False)):
        path = tmp_path / kind
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", kind, "-out", str(path)], check=True, capture_output=True, timeout=30
        )
        path.chmod(0o600)
        if fine:
            load_private(path)
        else:
            with pytest.raises(BundleError, match=r"of another kind than Ed25519|is no private"):
                load_private(path)


def test_wheels_say_what_they_run_on(kit: Kit, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    fake_wheel(wheels)
    bundle = kit.pack(out=tmp_path / "w.tar.zst", wheels=wheels)
    assert manifest_of(kit, bundle).target == Target()
    leaf = fake_wheel(wheels, "2.0", "leaf")
    leaf.rename(wheels / "leaf-2.0-cp310-cp310-manylinux_2_17_aarch64.manylinux2014_aarch64.whl")
    found = manifest_of(kit, kit.pack(out=tmp_path / "w.tar.zst", wheels=wheels))
    assert found.target == Target(architecture="aarch64", python="3.10")
    assert found.versions.wheels == {"touchdown-landing": VERSION, "leaf": "2.0"}
    assert found.environment == "wheels" and len(found.wheels) == 2
    with pytest.raises(BundleError, match="is for aarch64, the bundle for x86-64"):
        kit.pack(out=tmp_path / "w.tar.zst", wheels=wheels, target=Target(architecture="x86-64"))
    with pytest.raises(BundleError, match=r"is for Python 3\.10, the bundle for 3\.12"):
        kit.pack(out=tmp_path / "w.tar.zst", wheels=wheels, target=Target(python="3.12"))


def test_a_wheel_with_a_long_name_loses_platform_tags(kit: Kit, tmp_path: Path) -> None:
    """As charset-normalizer's for a Raspberry Pi, which an archive cannot hold."""
    wheels = tmp_path / "wheels"
    fake_wheel(wheels)
    leaf = fake_wheel(wheels, "3.5.3", "charset_normalizer")
    tags = "manylinux2014_aarch64.manylinux_2_17_aarch64.manylinux_2_28_aarch64"
    leaf.rename(wheels / f"charset_normalizer-3.5.3-cp311-cp311-{tags}.whl")
    found = manifest_of(kit, kit.pack(out=tmp_path / "w.tar.zst", wheels=wheels))
    kept = "manylinux2014_aarch64.manylinux_2_17_aarch64"
    assert f"wheels/charset_normalizer-3.5.3-cp311-cp311-{kept}.whl" in found.wheels
    assert found.target == Target(architecture="aarch64", python="3.11")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("leaf-2.0-cp311-cp311-win_amd64.whl", "is for win_amd64: expected Linux on"),
        ("leaf-2.0-cp311-cp311-linux_armv7l.whl", "is for linux_armv7l: expected Linux on"),
        ("leaf.whl", "expected a wheel, NAME-VERSION"),
        ("leaf-3.0-py3-none-any.whl", r"holds leaf more than once \(2\.0, 3\.0\)"),
    ],
)
def test_wheels_for_nobody(kit: Kit, tmp_path: Path, name: str, words: str) -> None:
    wheels = tmp_path / "wheels"
    fake_wheel(wheels)
    (wheels / name).write_bytes(fake_wheel(wheels, "2.0", "leaf").read_bytes())
    with pytest.raises(BundleError, match=words):
        kit.pack(out=tmp_path / "w.tar.zst", wheels=wheels)


def test_a_wheelhouse_without_touchdown(kit: Kit, tmp_path: Path) -> None:
    fake_wheel(tmp_path / "wheels", "2.0", "leaf")
    with pytest.raises(BundleError, match="holds no wheel of touchdown-landing itself"):
        kit.pack(out=tmp_path / "w.tar.zst", wheels=tmp_path / "wheels")
    with pytest.raises(BundleError, match="is no folder"):
        kit.pack(out=tmp_path / "w.tar.zst", wheels=tmp_path / "none")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("numpy>=2", r"'numpy>=2' is not pinned"),
        ("numpy==2.1.0", "is not pinned"),
        ("-e .", "is not pinned"),
        ("https://x/y.whl --hash=sha256:00", "is not pinned"),
    ],
)
def test_requirement_sets_are_pinned(kit: Kit, tmp_path: Path, line: str, words: str) -> None:
    good = "# made by pip-compile\ntouchdown-landing[deploy]==0.1.0 \\\n    --hash=sha256:00\n"
    path = tmp_path / "requirements.txt"
    path.write_text(good)
    bundle = kit.pack(out=tmp_path / "r.tar.zst", requirements=path)
    assert manifest_of(kit, bundle).environment == "requirements"
    path.write_text(good + line + "\n")
    with pytest.raises(BundleError, match=words):
        kit.pack(out=tmp_path / "r.tar.zst", requirements=path)
    path.write_text("numpy==2.1.0 --hash=sha256:00\n")
    with pytest.raises(BundleError, match="does not name touchdown-landing itself"):
        kit.pack(out=tmp_path / "r.tar.zst", requirements=path)
    with pytest.raises(BundleError, match="a bundle brings one of them"):
        kit.pack(out=tmp_path / "r.tar.zst", requirements=path, wheels=tmp_path)


def test_what_cannot_go_in(kit: Kit, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"--out x\.zip: expected a name that ends in \.tar\.zst"):
        kit.pack(out=Path("x.zip"))
    with pytest.raises(ModelError, match=r"carries \.onnx, \.ncnn, \.rknn, \.hef; an engine is built"):
        kit.pack(out=tmp_path / "x.tar.zst", model=tmp_path / "m.engine")
    with pytest.raises(ModelError, match="does not exist"):
        kit.pack(out=tmp_path / "x.tar.zst", model=tmp_path / "m.onnx")
    with pytest.raises(ConfigError, match="does not exist"):
        kit.pack(out=tmp_path / "x.tar.zst", config=tmp_path / "none.toml")
    with pytest.raises(BundleError, match="is no folder of pictures"):
        kit.pack(out=tmp_path / "x.tar.zst", samples=tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match="holds 0 pictures"):
        kit.pack(out=tmp_path / "x.tar.zst", samples=tmp_path / "empty")
    (tmp_path / "empty" / "torn.png").write_bytes(b"\x89PNG")
    with pytest.raises(TouchdownError, match=r"torn\.png"):
        kit.pack(out=tmp_path / "x.tar.zst", samples=tmp_path / "empty")
    assert not list(tmp_path.glob("*.zst")) and not list(tmp_path.glob(".*"))


def test_an_earlier_bundle_survives_a_failed_one(kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = kit.pack(out=tmp_path / "x.tar.zst")
    before = out.read_bytes()
    from deploy import bundle

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle, "write_archive", full)
    with pytest.raises(TouchdownError, match="No space left on device: free some space"):
        kit.pack(out=out)
    assert out.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [out.name]


def test_a_graph_for_an_engine_comes_along(kit: Kit, tmp_path: Path) -> None:
    bundle = kit.pack(out=tmp_path / "t.tar.zst", engine="fp16")
    assert {"engine-job/graph.onnx", "engine-job/job.json"} <= {e.path for e in manifest_of(kit, bundle).files}


def test_the_manifest_is_canonical(kit: Kit) -> None:
    manifest, data = verify_bundle(kit.bundle, (load_public(kit.public),))
    assert manifest.canonical() == data and parse_manifest(data, "x") == manifest
    assert data.endswith(b"}\n") and b": " not in data.replace(b'": "', b"") and data.isascii()


def test_a_large_file_is_streamed(kit: Kit, tmp_path: Path) -> None:
    """More than one piece, and not a whole number of them."""
    samples = tmp_path / "samples"
    shutil.copytree(kit.samples, samples)
    wheels = tmp_path / "wheels"
    fake_wheel(wheels)
    with zipfile.ZipFile(fake_wheel(wheels, "1.0", "leaf"), "a") as leaf:
        leaf.writestr("weights.bin", os.urandom(1 << 20) * 9 + b"end")
    bundle = kit.pack(out=tmp_path / "l.tar.zst", wheels=wheels)
    manifest = manifest_of(kit, bundle)
    assert manifest.total_bytes > 9 * 2**20


@pytest.mark.parametrize(
    ("kept", "words"), [("pond", "none of 1 pictures has a site"), ("car", "each of 1 pictures has a site")]
)
def test_samples_that_prove_nothing_are_refused(kit: Kit, tmp_path: Path, kept: str, words: str) -> None:
    """With the pond alone a release that finds nothing would pass, with the lawn one that takes all for landable."""
    samples = tmp_path / "samples"
    samples.mkdir()
    shutil.copy(kit.samples / f"{kept}.png", samples)
    with pytest.raises(BundleError, match=rf"{words}.*--samples"):
        kit.pack(out=tmp_path / "x.tar.zst", samples=samples)
    assert not (tmp_path / "x.tar.zst").exists()


def test_onnxruntime_of_another_name_will_do(kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a workstation with a GPU the package is called onnxruntime-gpu."""
    from importlib import metadata

    def version(name: str) -> str:
        if name == "onnxruntime":
            raise metadata.PackageNotFoundError(name)
        return found(name)

    found = metadata.version
    monkeypatch.setattr(metadata, "version", version)
    bundle = kit.pack(out=tmp_path / "g.tar.zst")
    assert manifest_of(kit, bundle).versions.onnxruntime
