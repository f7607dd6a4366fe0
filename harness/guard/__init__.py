"""Where requests may go, and how much of an answer is taken: what a service says never sends the harness anywhere else.

`places` and `urls` say where; `limits` how much and how long; `transport` is how requests of our own leave, `fetch` how a
document is had; `sockets` and `child` hold everything else in a process of ours to the same; `incidents` is what they had to
step in for.
"""

from harness.guard.child import Guarded, enter, guarded_module
from harness.guard.incidents import INCIDENTS_FILE, Incident, Kind, read_incidents, report
from harness.guard.limits import LIMITS, Answer, Intake, Limits, TooMuchError, parse_json
from harness.guard.places import Invitation, Place, UninvitedError, is_loopback, normal_host, place_of
from harness.guard.urls import LeadsAwayError, address, same_origin, without_credentials

__all__ = [
    "INCIDENTS_FILE",
    "LIMITS",
    "Answer",
    "Guarded",
    "Incident",
    "Intake",
    "Invitation",
    "Kind",
    "LeadsAwayError",
    "Limits",
    "Place",
    "TooMuchError",
    "UninvitedError",
    "address",
    "enter",
    "guarded_module",
    "is_loopback",
    "normal_host",
    "parse_json",
    "place_of",
    "read_incidents",
    "report",
    "same_origin",
    "without_credentials",
]
