-- An addendum names the document that it is added to (TXA-13), which is a reading with that number (TXA-12).
CREATE INDEX readings_document ON readings ((reading #>> '{document_number,value}'))
 WHERE reading #>> '{document_number,value}' IS NOT NULL;
