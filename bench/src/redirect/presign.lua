-- Presigned links as a competent operator of nginx would make them: SigV4 with libcrypto, through the FFI of LuaJIT.
--
-- The key of the day and what is the same for all links of a window are kept; a link costs one SHA-256 and one HMAC
-- with a key that is already set. The nearest node is that with the greatest dot product of unit vectors.
-- Absent on purpose: health of nodes, and who holds the film.

local ffi = require "ffi"
local C, text = ffi.C, ffi.string
local var, header = ngx.var, ngx.header
local cos, sin, rad, floor = math.cos, math.sin, math.rad, math.floor

ffi.cdef [[
typedef struct { uint32_t h[8], Nl, Nh, data[16]; unsigned int num, md_len; } SHA256_CTX;
int SHA256_Init(SHA256_CTX *c);
int SHA256_Update(SHA256_CTX *c, const void *data, size_t len);
int SHA256_Final(unsigned char *md, SHA256_CTX *c);
typedef struct hmac_ctx_st HMAC_CTX;
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
HMAC_CTX *HMAC_CTX_new(void);
void HMAC_CTX_free(HMAC_CTX *ctx);
int HMAC_Init_ex(HMAC_CTX *ctx, const void *key, int len, const EVP_MD *md, void *impl);
int HMAC_Update(HMAC_CTX *ctx, const unsigned char *data, size_t len);
int HMAC_Final(HMAC_CTX *ctx, unsigned char *md, unsigned int *len);
]]

local DIGITS = "0123456789abcdef"
local HEX = ffi.new("uint16_t[256]")
for byte = 0, 255 do
    local high, low = DIGITS:byte(floor(byte / 16) + 1), DIGITS:byte(byte % 16 + 1)
    HEX[byte] = ffi.abi("le") and high + low * 256 or high * 256 + low
end
local digest, hex = ffi.new("unsigned char[32]"), ffi.new("uint16_t[32]")
local sha, keyed = ffi.new("SHA256_CTX"), ffi.gc(C.HMAC_CTX_new(), C.HMAC_CTX_free)

local function digest_hex()
    for index = 0, 31 do hex[index] = HEX[digest[index]] end
    return text(ffi.cast("char *", hex), 64)
end

local function sha256_hex(message)
    C.SHA256_Init(sha)
    C.SHA256_Update(sha, message, #message)
    C.SHA256_Final(digest, sha)
    return digest_hex()
end

-- With a key it is set first, without one the last is used again.
local function hmac(key, message)
    C.HMAC_Init_ex(keyed, key, key and #key or 0, key and C.EVP_sha256() or nil, nil)
    C.HMAC_Update(keyed, message, #message)
    C.HMAC_Final(keyed, digest, nil)
end

local function hmac_of(key, message)
    hmac(key, message)
    return text(digest, 32)
end

local settings
local day, window

local function new_day(date)
    local key = hmac_of("AWS4" .. settings.secret_key, date)
    for _, part in ipairs { settings.region, "s3", "aws4_request" } do key = hmac_of(key, part) end
    hmac(key, "")
    day = date
end

-- Signing time is rounded down, so that a link is the same for everybody in a window.
local function new_window(number)
    local time = os.date("!%Y%m%dT%H%M%SZ", number * settings.window_s)
    local date = time:sub(1, 8)
    if date ~= day then new_day(date) end
    local scope = date .. "/" .. settings.region .. "/s3/aws4_request"
    window = {
        number = number,
        to_sign = "AWS4-HMAC-SHA256\n" .. time .. "\n" .. scope .. "\n",
        query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
            .. (settings.access_key .. "/" .. scope):gsub("/", "%%2F")
            .. "&X-Amz-Date=" .. time .. "&X-Amz-Expires=" .. settings.expires_s .. "&X-Amz-SignedHeaders=host",
    }
end

local function link(node, path)
    local number = floor(ngx.time() / settings.window_s)
    if not window or window.number ~= number then new_window(number) end
    local query = window.query
    local canonical = "GET\n" .. path .. "\n" .. query .. node.canonical_end
    hmac(nil, window.to_sign .. sha256_hex(canonical))
    return node.base .. path .. "?" .. query .. "&X-Amz-Signature=" .. digest_hex()
end

local function vector(lat, lon)
    lat, lon = rad(lat), rad(lon)
    return cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)
end

local function nearest(lat, lon)
    local nodes = settings.nodes
    if not lat or not lon then return nodes[1] end
    local x, y, z = vector(lat, lon)
    local best, best_dot = nil, -2
    for index = 1, #nodes do
        local node = nodes[index]
        local dot = x * node.x + y * node.y + z * node.z
        if dot > best_dot then best, best_dot = node, dot end
    end
    return best
end

local presign = {}

function presign.setup(given)
    settings = given
    for _, node in ipairs(settings.nodes) do
        node.x, node.y, node.z = vector(node.lat, node.lon)
        node.base = "https://" .. node.host
        node.canonical_end = "\nhost:" .. node.host .. "\n\nhost\nUNSIGNED-PAYLOAD"
    end
end

function presign.answer()
    local node = nearest(tonumber(var.viewer_lat), tonumber(var.viewer_lon))
    var.node = node.id
    ngx.status = 302
    header.location = link(node, "/" .. settings.bucket .. "/" .. var.film .. ".mp4")
    header.content_length = 0
    ngx.send_headers()
end

return presign
