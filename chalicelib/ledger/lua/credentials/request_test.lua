-- Ask the workers to try a credential.
--
-- ARGV  1 user   2 credential   3 a random id of the test   4 URL   5 tests a minute and user at most   6 waiting tests at most
-- Returns {ok} | {limited, seconds to wait} | {full}
local rate = P .. 'credential_rate:' .. ARGV[1]
if tonumber(call('GET', rate) or 0) >= tonumber(ARGV[5]) then return {'limited', call('TTL', rate)} end
if call('LLEN', P .. 'credential_tests') >= tonumber(ARGV[6]) then return {'full'} end
if call('INCR', rate) == 1 then call('EXPIRE', rate, 60) end
call('RPUSH', P .. 'credential_tests', cjson.encode({ARGV[2], ARGV[3], ARGV[4]}))
call('EXPIRE', P .. 'credential_tests', 120)
return {'ok'}
