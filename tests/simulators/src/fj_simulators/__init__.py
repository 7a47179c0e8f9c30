"""The world around Filmjacket: an EHR, a modality, a dictation system. They speak the protocols and know no more."""

from fj_simulators.clinic import Answer, Clinic, TooLate
from fj_simulators.dictation import Dictation
from fj_simulators.doors import Doors
from fj_simulators.ehr import Ehr, Received
from fj_simulators.exam import Exam, a_patient, an_exam
from fj_simulators.modality import Modality
from fj_simulators.procedure_steps import Performed, WorklistEntry
from fj_simulators.stubborn import plays_on

__all__ = [
    "Answer",
    "Clinic",
    "Dictation",
    "Doors",
    "Ehr",
    "Exam",
    "Modality",
    "Performed",
    "Received",
    "TooLate",
    "WorklistEntry",
    "a_patient",
    "an_exam",
    "plays_on",
]
