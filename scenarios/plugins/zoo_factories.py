"""How published networks become assistants. Imported when one is first used."""

from __future__ import annotations

from lkas.pilot import Pilot
from lkas.zoo.lane_follower import LaneFollower
from lkas.zoo.twinlitenet import TwinLiteNet
from scenarios.plugins.zoo import TwinLiteNetOptions, given_file
from simulator.vehicle import VehicleParameters


def twinlitenet(options: TwinLiteNetOptions, vehicle: VehicleParameters, latency_s: float) -> LaneFollower:
    """TwinLiteNet, followed down the middle of its lane."""
    weights = given_file("weights", options.weights, "TwinLiteNet's published best.pth")
    size = {192: (192, 320), 360: (360, 640)}[options.input_height]
    network = TwinLiteNet.load(weights, size).requires_grad_(False)
    return LaneFollower(network, Pilot(vehicle, latency_s))
