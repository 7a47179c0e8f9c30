-- The placer answers an order that was born here with our number and its own (NA).
CREATE INDEX orders_filler_number ON orders (
    (details #>> '{filler_order_number,value}'), (details #>> '{filler_order_number,issuer}')
);
