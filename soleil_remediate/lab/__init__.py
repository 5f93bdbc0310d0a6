"""Real hosts to rehearse on, and faults to break them with."""

from soleil_remediate.lab.access import Answer
from soleil_remediate.lab.errors import LabError
from soleil_remediate.lab.faulting import Fault
from soleil_remediate.lab.laboratory import HostStatus, Lab
from soleil_remediate.lab.machine import why_not_here
from soleil_remediate.lab.registry import Registered, registered

__all__ = ["Answer", "Fault", "HostStatus", "Lab", "LabError", "Registered", "registered", "why_not_here"]
