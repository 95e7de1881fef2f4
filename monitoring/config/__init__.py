"""The typed configuration of a monitored model."""

from __future__ import annotations

from monitoring.config.checks import CheckRule
from monitoring.config.load import broken_models, load_model, load_models, model_path
from monitoring.config.model import ModelConfig

__all__ = ["CheckRule", "ModelConfig", "broken_models", "load_model", "load_models", "model_path"]
