"""One prepared store for all tests of the demo: training takes seconds, so it happens once."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.flights import FEATURES
from demo.world import prepare
from monitoring.config import ModelConfig, load_model
from monitoring.store import Store
from monitoring.store.local import LocalStore

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with the first version of both models; tests read it and add days to it."""
    store = LocalStore(tmp_path_factory.mktemp("world"))
    for model in FEATURES:
        prepare(store, model)
    return store


@pytest.fixture(params=sorted(FEATURES))
def config(request: pytest.FixtureRequest) -> ModelConfig:
    """Each of the demo's models."""
    return load_model(MODELS / f"{request.param}.yaml")
