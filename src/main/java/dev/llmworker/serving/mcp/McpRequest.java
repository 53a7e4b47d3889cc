package dev.llmworker.serving.mcp;

import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import org.apache.camel.Message;
import org.jspecify.annotations.Nullable;

/// One JSON-RPC request.
///
/// @param id a string or a whole number
/// @param isModern whether it is of [McpVersions#MODERN]
record McpRequest(Object id, String method, Map<?, ?> params, boolean isModern) {
    static final String CALL = "tools/call";

    private static final String META = "_meta";
    private static final String PREFIX = "io.modelcontextprotocol/";
    private static final String VERSION = PREFIX + "protocolVersion";
    private static final String CAPABILITIES = PREFIX + "clientCapabilities";
    private static final String VERSION_HEADER = "MCP-Protocol-Version";
    private static final String METHOD_HEADER = "Mcp-Method";
    private static final String NAME_HEADER = "Mcp-Name";
    private static final String BASE64 = "=?base64?";
    private static final String BASE64_END = "?=";
    private static final int BAD_REQUEST = 400;

    /// What is wrong with a request whose id is known.
    static final class Refused extends RuntimeException {
        private final transient JsonError error;
        private final transient Map<String, ?> details;
        private final int status;

        /// @param details beside the code, for programs
        Refused(JsonError error, Map<String, ?> details) {
            this(error, details, error.status());
        }

        private Refused(JsonError error, Map<String, ?> details, int status) {
            super(error.message(), null, false, false);
            this.error = error;
            this.details = details;
            this.status = status;
        }

        /// The same error in an answer with another status of HTTP.
        Refused withStatus(int other) {
            return new Refused(error, details, other);
        }

        JsonError error() {
            return error;
        }

        Map<String, ?> details() {
            return details;
        }

        int status() {
            return status;
        }
    }

    /// The id of a message; null if it has none, and wants no answer.
    ///
    /// @throws RequestException if it is not one that a request may have
    static @Nullable Object id(Map<?, ?> message) {
        if (!"2.0".equals(message.get("jsonrpc"))) {
            throw RequestException.invalid("jsonrpc", "jsonrpc must be \"2.0\"");
        }
        if (!message.containsKey("id")) {
            return null;
        }
        return switch (message.get("id")) {
            case String text -> text;
            case Number number when isWhole(number) -> number;
            case null, default -> throw RequestException.invalid("id", "id must be a string or a whole number");
        };
    }

    private static boolean isWhole(Number number) {
        return number.toString().chars().allMatch(c -> c >= '0' && c <= '9' || c == '-');
    }

    /// @param headers of HTTP
    /// @throws Refused if it is not as its version has it
    static McpRequest of(Object id, String method, Map<?, ?> message, Message headers) {
        var params = message.get("params");
        if (params != null && !(params instanceof Map)) {
            throw invalid("params must be an object");
        }
        var given = params instanceof Map<?, ?> map ? map : Map.of();
        var meta = given.get(META) instanceof Map<?, ?> map ? map : Map.of();
        var header = headers.getHeader(VERSION_HEADER, String.class);
        var said = meta.get(VERSION);
        var version = said == null ? header : said;
        if (version == null || McpVersions.LEGACY.contains(version)) {
            return new McpRequest(id, method, given, false);
        }
        if (!McpVersions.MODERN.equals(version)) {
            throw new Refused(
                    JsonError.of(
                            BAD_REQUEST,
                            "unsupported_protocol_version",
                            "the protocol version is not supported; supported: " + String.join(", ", McpVersions.ALL)),
                    Map.of("supported", McpVersions.ALL, "requested", shown(version)));
        }
        if (said == null || !(meta.get(CAPABILITIES) instanceof Map)) {
            throw invalid("params." + META + " must have " + VERSION + " and " + CAPABILITIES);
        }
        check(VERSION_HEADER, header, McpVersions.MODERN);
        check(METHOD_HEADER, headers.getHeader(METHOD_HEADER, String.class), method);
        if (method.equals(CALL)) {
            check(NAME_HEADER, decoded(headers.getHeader(NAME_HEADER, String.class)), given.get("name"));
        }
        return new McpRequest(id, method, given, true);
    }

    private static String shown(Object version) {
        return version instanceof String text ? RequestFields.shortened(text) : "no string";
    }

    /// A header and the body must say the same: something between may have decided by the header.
    private static void check(String header, @Nullable String value, @Nullable Object inBody) {
        if (value == null || !value.equals(inBody)) {
            throw new Refused(
                    JsonError.of(
                            BAD_REQUEST,
                            "header_mismatch",
                            "the header " + header + " is "
                                    + (value == null ? "missing" : '"' + RequestFields.shortened(value) + '"')
                                    + "; it must be what the body has"),
                    Map.of());
        }
    }

    /// Clients encode what a header cannot hold.
    private static @Nullable String decoded(@Nullable String value) {
        if (value == null || !value.startsWith(BASE64) || !value.endsWith(BASE64_END)) {
            return value;
        }
        try {
            var text = value.substring(BASE64.length(), value.length() - BASE64_END.length());
            return new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException | StringIndexOutOfBoundsException _) {
            return value;
        }
    }

    static Refused invalid(String message) {
        return new Refused(JsonError.of(BAD_REQUEST, "invalid_params", message), Map.of());
    }
}
