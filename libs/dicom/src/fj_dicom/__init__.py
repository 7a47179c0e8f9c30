"""DICOM: the SCP base on pynetdicom, tag reading, status answers, known peers."""
