-- Which person a number stands for, as its last fact says; numbers without a row stand for themselves.
CREATE TABLE person (
    patient_id    uuid PRIMARY KEY,
    enterprise_id uuid NOT NULL
);
CREATE INDEX person_enterprise ON person (enterprise_id);

-- All numbers of the person whom this one stands for, itself among them. Merges lead from a number to its survivor and
-- back, links to the others of a person, in turns until nothing is added.
CREATE FUNCTION same_person(id uuid) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    WITH RECURSIVE same (number) AS (
        SELECT id
         UNION
        SELECT next.number FROM same CROSS JOIN LATERAL (
               SELECT s.survivor_id FROM survivor s WHERE s.patient_id = same.number AND s.until IS NULL
                UNION ALL
               SELECT s.patient_id FROM survivor s WHERE s.survivor_id = same.number AND s.until IS NULL
                UNION ALL
               SELECT other.patient_id FROM person one JOIN person other USING (enterprise_id)
                WHERE one.patient_id = same.number) AS next (number))
    SELECT number FROM same
$$;
