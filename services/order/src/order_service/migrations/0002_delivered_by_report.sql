-- What was delivered, by report and destination: an order can lose its report to another order, and get one of its own.
UPDATE orders
   SET delivered = (SELECT jsonb_object_agg(report_id || '/' || destination, version)
                      FROM jsonb_each(delivered) AS d (destination, version))
 WHERE report_id IS NOT NULL AND delivered <> '{}';
