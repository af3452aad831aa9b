-- Store the outcome of a test, for the caller that waits for it.
--
-- ARGV  1 id of the test   2 outcome as JSON
call('SET', P .. 'credential_test:' .. ARGV[1], ARGV[2], 'EX', 120)
return {'ok'}
