"""Registry, files, cards and page agree, and each card is one that Hugging Face reads."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from docs.make.models import METRICS, ROOT, file_of, written
from landing.errors import ModelError
from tests.command import call
from touchdown.models.registry import CARDS, REGISTRY, load_registry, spec_of

MODELS = load_registry().models
LICENCES = {"apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "other"}
"""Of https://huggingface.co/docs/hub/repositories-licenses, those that a model of ours may have."""
KEYS = {"license", "license_name", "license_link", "library_name", "pipeline_tag", "tags", "datasets", "model-index"}
NO_COMMERCE = re.compile(r"non-?commercial|not (be )?used commercially|-nc-", re.I)


def test_each_file_has_an_entry_and_a_card_and_there_are_no_others() -> None:
    files = {path.name for path in (ROOT / "models").glob("*.onnx")}
    assert {entry.file for entry in MODELS} == files
    assert {f"{entry.name}.md" for entry in MODELS} == {path.name for path in CARDS.iterdir()}


def test_registry_cards_and_page_are_as_their_files_say() -> None:
    stale = [str(path.relative_to(ROOT)) for path, text in written().items() if path.read_text("utf-8") != text]
    assert not stale, f"run `python -m docs.make.models`: {stale}"


@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.name)
def test_entry_is_of_its_file(entry) -> None:
    spec = spec_of(file_of(entry))
    assert spec.name == entry.name
    assert entry.known().size_bytes == file_of(entry).stat().st_size
    if NO_COMMERCE.search(spec.provenance.licence):
        assert entry.sell == "no", f"the file says {spec.provenance.licence!r}"


@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.name)
def test_card_has_the_metadata_of_hugging_face(entry) -> None:
    head = re.match(r"---\n(.*?)\n---\n", entry.card(), re.S)
    assert head
    data = yaml.safe_load(head[1])
    assert set(data) <= KEYS
    assert data["license"] in LICENCES
    assert (data["license"] == "other") == ("license_name" in data) == ("license_link" in data)
    if data["license"] == "other":
        assert re.fullmatch(r"[a-z0-9.-]+", data["license_name"]) and data["license_link"].startswith("https://")
    assert data["pipeline_tag"] == "image-segmentation" and "onnx" in data["tags"]
    assert all(isinstance(tag, str) for tag in data["tags"] + data["datasets"])
    (index,) = data["model-index"]
    assert index["name"] == entry.name and index["results"]
    for result in index["results"]:
        assert result["task"]["type"] == data["pipeline_tag"]
        assert result["dataset"]["type"] in data["datasets"] and result["dataset"]["name"]
        assert result["metrics"] and all({"type", "value"} <= set(metric) for metric in result["metrics"])
        assert all(isinstance(metric["value"], float) for metric in result["metrics"])


@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.name)
def test_hugging_face_s_own_reader_takes_the_card(entry) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="comes with the train extra")
    data = hub.ModelCard(entry.card()).data
    metrics = spec_of(file_of(entry)).provenance.metrics
    found = {(result.metric_type, result.metric_value) for result in data.eval_results}
    names = {name: METRICS[name.partition("_")[2]][0] for name in entry.figures}
    assert found == {(kind, round(metrics[name], 4)) for name, kind in names.items()}


def test_list_says_what_may_be_sold() -> None:
    shown = call("models", "list")
    listed = json.loads(call("models", "list", "--json").stdout)["models"]
    assert [row["name"] for row in listed] == [entry.name for entry in MODELS]
    for row, entry in zip(listed, MODELS, strict=True):
        assert row["path"] == str(file_of(entry)) and row["facts"]["sha256"] == entry.known().sha256
        assert re.search(rf"^{re.escape(entry.name)} +{entry.sell} ", shown.stdout, re.M)


def test_card_and_unknown_names() -> None:
    name = MODELS[0].name
    assert call("models", "card", name).stdout == MODELS[0].card()
    wrong = call("models", "get", name[:-1])
    assert wrong.returncode == 2 and name in wrong.stderr and "Traceback" not in wrong.stderr


def test_a_damaged_registry_is_named(tmp_path) -> None:
    twice = json.loads(REGISTRY.read_text("utf-8"))
    twice["models"].append(twice["models"][0])
    bad = tmp_path / "registry.json"
    for text, words in ((json.dumps(twice), "twice"), ("[]", "not valid"), ("{", "not valid")):
        bad.write_text(text, "utf-8")
        with pytest.raises(ModelError, match=words):
            load_registry(bad)
