"""HL7 v2: a lazy reader, escapes and character sets, MLLP, acknowledgements."""
