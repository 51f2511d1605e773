"""From options to implementations."""

from __future__ import annotations

from attacks.threat import RoadPatchThreat
from lkas.ground_truth import GroundTruthAssistant
from lkas.pilot import Pilot
from muddy_ways.attack import Stripe
from muddy_ways.defense import Sunglasses
from muddy_ways.driver import EdgeHugger
from muddy_ways.plugins import EdgeHuggerOptions, PuddlesOptions, StripeOptions, SunglassesOptions
from muddy_ways.task import Puddles
from scenarios.plugins.attack_factories import threat_of
from simulator.vehicle import VehicleParameters


def edge_hugger(options: EdgeHuggerOptions, vehicle: VehicleParameters, latency_s: float) -> EdgeHugger:
    """The driver."""
    return EdgeHugger(GroundTruthAssistant(Pilot(vehicle, latency_s)), options.offset_m)


def stripe(options: StripeOptions) -> tuple[Stripe, RoadPatchThreat]:
    """The attack, and what it may do."""
    return Stripe(options.stripe_m), threat_of(options)


def sunglasses(options: SunglassesOptions) -> Sunglasses:
    """The defense."""
    return Sunglasses(options.transmission)


def puddles(options: PuddlesOptions) -> Puddles:
    """The task."""
    return Puddles(options.size)
