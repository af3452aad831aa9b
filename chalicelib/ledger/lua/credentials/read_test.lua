-- Return the outcome of a test.
--
-- ARGV  1 id of the test
-- Returns {none} | {outcome, JSON}
local text = call('GET', P .. 'credential_test:' .. ARGV[1])
if not text then return {'none'} end
return {'outcome', text}
