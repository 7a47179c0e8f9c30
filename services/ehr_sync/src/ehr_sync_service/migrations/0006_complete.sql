-- Whether a study was available once is kept beside its status, which says what can be had of it now.
UPDATE studies SET body = body || '{"complete": true}' WHERE status = 'available';
