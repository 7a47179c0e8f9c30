-- Whoever asks for the exams of a person names a number, be it one without an exam.
CREATE INDEX patients_number ON patients ((details #>> '{id,value}'));
