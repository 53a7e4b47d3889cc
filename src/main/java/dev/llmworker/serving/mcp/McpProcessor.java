package dev.llmworker.serving.mcp;

import com.fasterxml.jackson.core.JsonProcessingException;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.tools.RouteTool;
import dev.llmworker.serving.tools.RouteTools;
import dev.llmworker.serving.tools.ToolCalls;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import dev.llmworker.serving.wire.RequestLog;
import dev.llmworker.text.chat.ToolCall;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The bean `mcp`: offers routes that are tools by the Model Context Protocol, over streamable HTTP. Each
/// request is answered by JSON and by itself: nothing is remembered between two. Clients of older versions
/// begin with `initialize`. They get a session id, by which they may cancel their own calls, and which means
/// nothing else.
///
/// `docs/decisions/0023` says why this is not the official SDK.
public final class McpProcessor implements Processor {
    private static final String POST = "POST";
    private static final String SERVER = "camel-llm-worker";
    private static final String SESSION = "Mcp-Session-Id";
    private static final String CANCELLED = "notifications/cancelled";
    private static final String COMPLETE = "complete";
    private static final int OK = 200;
    private static final int ACCEPTED = 202;
    /// Of a call's arguments for each character: their text, and the parsed JSON by which they are checked.
    private static final long BYTES_PER_ARGUMENT_CHARACTER = 44;
    /// Of a result for each character: as text, in JSON, and in UTF-8.
    private static final long BYTES_PER_RESULT_CHARACTER = 8;

    private final RouteTools tools;
    private final Set<String> tags;
    private final Function<Exchange, Map<?, ?>> body;
    private final Generations generations;
    private final Duration timeout;
    private final Map<String, Object> serverInfo;
    private final Map<RunningCall, Client> running = new ConcurrentHashMap<>();

    /// A call that its client may cancel by a notification.
    ///
    /// @param session as the client says it; nobody guesses one that the worker has made
    /// @param key of the client
    private record RunningCall(String session, String key, Object id) {}

    /// @param tags of the tools that are offered: `MCP_TOOLS`; if there are none, the path does not exist
    /// @param body parses a request's body
    /// @param timeout for one call
    public McpProcessor(
            RouteTools tools,
            Set<String> tags,
            Function<Exchange, Map<?, ?>> body,
            Generations generations,
            Duration timeout,
            String version) {
        this.tools = tools;
        this.body = body;
        this.tags = Set.copyOf(tags);
        this.generations = generations;
        this.timeout = timeout;
        this.serverInfo = Map.of("name", SERVER, "version", version);
    }

    @Override
    public void process(Exchange exchange) throws Exception {
        if (tags.isEmpty()) {
            // As the port answers where there is no route.
            var path = exchange.getMessage().getHeader(Exchange.HTTP_URI, String.class);
            throw new RequestException(JsonError.of(404, "not_found", "nothing is served at " + path));
        }
        var httpMethod = exchange.getMessage().getHeader(Exchange.HTTP_METHOD, String.class);
        if (!POST.equals(httpMethod)) {
            // There is no stream of messages that no request asks for, and no session to end.
            exchange.getMessage().setHeader("Allow", POST);
            throw new RequestException(JsonError.of(
                    405, "method_not_allowed", httpMethod + " is not served at this path; it must be " + POST));
        }
        var message = body.apply(exchange);
        var id = McpRequest.id(message);
        if (!(message.get("method") instanceof String method)) {
            if (id != null && (message.containsKey("result") || message.containsKey("error"))) {
                // The worker asks clients for nothing, so nothing waits for an answer of theirs.
                accept(exchange);
                return;
            }
            throw RequestException.invalid("method", "method is missing; it must be a string");
        }
        if (id == null) {
            if (method.equals(CANCELLED)) {
                cancel(message, exchange);
            }
            accept(exchange);
            return;
        }
        answer(id, method, message, exchange);
    }

    private static void accept(Exchange exchange) {
        exchange.getMessage().setHeader(Exchange.HTTP_RESPONSE_CODE, ACCEPTED);
        exchange.getMessage().setBody(null);
    }

    private void answer(Object id, String method, Map<?, ?> message, Exchange exchange) throws Exception {
        try {
            write(OK, answer(McpRequest.of(id, method, message, exchange.getMessage()), exchange), exchange);
        } catch (McpRequest.Refused e) {
            refuse(e.error(), e.status(), id, e.details(), exchange);
        } catch (RuntimeException e) {
            var error = JsonError.of(e);
            if (error == null) {
                throw e;
            }
            if (error.retryAfterSeconds() > 0) {
                exchange.getMessage().setHeader("Retry-After", error.retryAfterSeconds());
            }
            refuse(error, error.status(), id, Map.of(), exchange);
        }
    }

    private Map<String, Object> answer(McpRequest request, Exchange exchange) throws Exception {
        try {
            var result = result(request, exchange);
            if (request.isModern()) {
                result.put("resultType", COMPLETE);
                result.put("_meta", Map.of("io.modelcontextprotocol/serverInfo", serverInfo));
            }
            var answer = new LinkedHashMap<String, Object>();
            answer.put("jsonrpc", "2.0");
            answer.put("id", request.id());
            answer.put("result", result);
            return answer;
        } catch (McpRequest.Refused e) {
            // Older clients take another status for an error of the connection.
            throw request.isModern() ? e : e.withStatus(OK);
        }
    }

    private static void refuse(JsonError error, int status, Object id, Map<String, ?> details, Exchange exchange) {
        RequestLog.refused(Client.of(exchange).requestId(), exchange.getFromRouteId(), error);
        write(status, error.rpcFields(id, details), exchange);
    }

    private static void write(int status, Map<String, ?> body, Exchange exchange) {
        var message = exchange.getMessage();
        message.setHeader(Exchange.HTTP_RESPONSE_CODE, status);
        message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        message.setBody(Json.bytes(body));
    }

    private Map<String, Object> result(McpRequest request, Exchange exchange) throws Exception {
        return switch (request.method()) {
            case "initialize" -> initialized(request, exchange);
            case "server/discover" ->
                cacheable(Map.of("supportedVersions", McpVersions.ALL, "capabilities", Map.of("tools", Map.of())));
            case "ping" -> new LinkedHashMap<>();
            case "tools/list" -> listed(request, exchange);
            case McpRequest.CALL -> called(request, exchange);
            default ->
                throw new McpRequest.Refused(
                        JsonError.of(
                                404,
                                "unknown_method",
                                "there is no method " + RequestFields.shortened(request.method())),
                        Map.of());
        };
    }

    private Map<String, Object> initialized(McpRequest request, Exchange exchange) {
        var asked = request.params().get("protocolVersion");
        if (!(asked instanceof String)) {
            throw McpRequest.invalid("params.protocolVersion is missing; it must be a string");
        }
        exchange.getMessage().setHeader(SESSION, newSession());
        var result = new LinkedHashMap<String, Object>();
        result.put("protocolVersion", McpVersions.negotiated(asked));
        result.put("capabilities", Map.of("tools", Map.of()));
        result.put("serverInfo", serverInfo);
        return result;
    }

    /// Tools may change at any time.
    private static Map<String, Object> cacheable(Map<String, ?> content) {
        var result = new LinkedHashMap<String, Object>(content);
        result.put("ttlMs", 0);
        result.put("cacheScope", "private");
        return result;
    }

    private Map<String, Object> listed(McpRequest request, Exchange exchange) throws JsonProcessingException {
        if (request.params().get("cursor") != null) {
            throw McpRequest.invalid("params.cursor is not one of this server's: all tools are on one page");
        }
        var offered = tools.ofTags(tags);
        hold(
                offered.stream()
                        .mapToLong(tool -> BYTES_PER_ARGUMENT_CHARACTER
                                * tool.arguments().tool().parameters().length())
                        .sum(),
                exchange);
        var list = new ArrayList<Map<String, Object>>();
        for (var tool : offered) {
            list.add(described(tool));
        }
        return request.isModern() ? cacheable(Map.of("tools", list)) : new LinkedHashMap<>(Map.of("tools", list));
    }

    private static Map<String, Object> described(RouteTool route) throws JsonProcessingException {
        var tool = route.arguments().tool();
        var described = new LinkedHashMap<String, Object>();
        described.put("name", tool.name());
        if (route.annotations().get("title") instanceof String title) {
            described.put("title", title);
        }
        described.put("description", tool.description());
        described.put("inputSchema", Json.tree(tool.parameters()));
        if (!route.annotations().isEmpty()) {
            described.put("annotations", route.annotations());
        }
        return described;
    }

    private Map<String, Object> called(McpRequest request, Exchange exchange) throws InterruptedException {
        var name = request.params().get("name");
        if (!(name instanceof String text)) {
            throw McpRequest.invalid("params.name is missing; it must be a string");
        }
        var arguments = request.params().get("arguments");
        if (arguments != null && !(arguments instanceof Map)) {
            throw McpRequest.invalid("params.arguments must be an object");
        }
        var tool = offered(text);
        var client = Client.of(exchange);
        // Its length is at most that of the body, which counts already.
        var json = Json.text(Objects.requireNonNullElse(arguments, Map.of()));
        hold(BYTES_PER_ARGUMENT_CHARACTER * json.length(), exchange);
        // After the memory: a call that does not fit counts nothing.
        generations.countRequest(client);
        var call = new ToolCall(ToolCall.newId(), tool.arguments().tool().name(), json);
        var calls =
                new ToolCalls(tools, it -> tags.stream().anyMatch(it.tags()::contains), Caller.of(exchange), exchange);
        var place = new RunningCall(session(exchange), client.cacheSalt(), request.id());
        running.put(place, client);
        try {
            var outcome = calls.run(call, timeout);
            hold(BYTES_PER_RESULT_CHARACTER * outcome.text().length(), exchange);
            return answered(outcome.text(), !outcome.isOk());
        } catch (TimeoutException _) {
            if (client.isUnwanted()) {
                throw new CancellationException("the call was cancelled");
            }
            return answered("Error: the tool takes longer than " + timeout.toSeconds() + " s.", true);
        } finally {
            running.remove(place, client);
        }
    }

    private RouteTool offered(String name) {
        return tools.ofTags(tags).stream()
                .filter(tool -> tool.arguments().tool().name().equals(name))
                .findFirst()
                .orElseThrow(() -> McpRequest.invalid("Unknown tool: " + RequestFields.shortened(name)));
    }

    private static Map<String, Object> answered(String text, boolean isError) {
        var result = new LinkedHashMap<String, Object>();
        result.put("content", List.of(Map.of("type", "text", "text", text)));
        result.put("isError", isError);
        return result;
    }

    /// The memory stays taken until the answer is sent.
    private void hold(long bytes, Exchange exchange) {
        generations.holdUntilSent(bytes, exchange);
    }

    private static String newSession() {
        return UUID.randomUUID().toString();
    }

    /// Empty if the client has not sent one in the form of those that the worker makes.
    private static String session(Exchange exchange) {
        var sent = exchange.getMessage().getHeader(SESSION, String.class);
        try {
            return sent != null && UUID.fromString(sent).toString().equals(sent) ? sent : "";
        } catch (IllegalArgumentException _) {
            return "";
        }
    }

    private void cancel(Map<?, ?> message, Exchange exchange) {
        var session = session(exchange);
        var id = message.get("params") instanceof Map<?, ?> params ? params.get("requestId") : null;
        if (id == null || session.isEmpty()) {
            // Without a session two clients may have the same id.
            return;
        }
        var client = running.get(new RunningCall(session, Client.of(exchange).cacheSalt(), id));
        if (client != null) {
            client.cancel();
        }
    }
}
