"""How an openpilot network becomes an assistant. Apart from the others, as it needs the extra ``openpilot``."""

from __future__ import annotations

from lkas.pilot import Pilot
from lkas.zoo.supercombo import Supercombo
from scenarios.plugins.zoo import SupercomboOptions, given_file
from simulator.vehicle import VehicleParameters


def supercombo(options: SupercomboOptions, vehicle: VehicleParameters, latency_s: float) -> Supercombo:
    """An openpilot driving network."""
    return Supercombo(given_file("model", options.model, "a supercombo.onnx"), Pilot(vehicle, latency_s))
