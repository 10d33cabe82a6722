"""Encoder-decoders: presets to pretrain from scratch, checkpoints to load and save."""

from t2t.model.presets import PRESETS, Preset, build_model
from t2t.model.pretrained import LoadedModel, load_model, save_model

__all__ = ["PRESETS", "LoadedModel", "Preset", "build_model", "load_model", "save_model"]
