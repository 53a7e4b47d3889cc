package dev.llmworker.serving.wire;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.serving.memory.MemoryBudget;
import io.vertx.core.http.HttpServerRequest;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.RejectedExecutionException;
import org.apache.camel.ExchangeTimedOutException;
import org.apache.camel.ResolveEndpointFailedException;
import org.apache.camel.ValidationException;
import org.jspecify.annotations.Nullable;

/// The error that a client gets. It never contains a stack trace, a class or a path of the server.
///
/// @param status of HTTP
/// @param code what is wrong, in snake case, for programs
/// @param message what is wrong, with the value and the limit
/// @param retryAfterSeconds 0 if a retry cannot help
/// @param parameter the field of the request that is wrong; null if none is
public record JsonError(
        int status,
        String code,
        String message,
        int retryAfterSeconds,
        @Nullable String parameter) {
    public static final String CONTENT_TYPE = "application/json";
    /// The code of a request of Anthropic's API that wants the worker to hold its conversation.
    public static final String NO_THREADS = "thread_unsupported_request";

    private static final int LOADING_RETRY_SECONDS = 5;
    private static final int OVERLOADED_RETRY_SECONDS = 1;

    public JsonError(int status, String code, String message, int retryAfterSeconds) {
        this(status, code, message, retryAfterSeconds, null);
    }

    public static JsonError of(int status, String code, String message) {
        return new JsonError(status, code, message, 0);
    }

    static JsonError invalid(String message) {
        return of(400, "invalid_request", message);
    }

    /// @param parameter the field that is wrong
    static JsonError invalid(String parameter, String message) {
        return new JsonError(400, "invalid_request", message, 0, parameter);
    }

    public static JsonError loading() {
        return new JsonError(503, "loading", "the model is still loading", LOADING_RETRY_SECONDS);
    }

    /// What is said of a generation that ended by an error.
    public static JsonError failed(GenerationEvent.Finished finished) {
        var failure = finished.failure();
        if (failure == null) {
            return internal();
        }
        return finished.isFault() ? invalid(failure) : of(502, "engine_failed", failure);
    }

    /// What is said of work that does not fit into the budget for memory.
    ///
    /// @param bytes what the work needs beyond what it holds
    public static JsonError overBudget(MemoryBudget.Lease memory, long bytes) {
        return refused(refusal(memory, bytes));
    }

    /// As [#overBudget].
    public static RefusedException refusal(MemoryBudget.Lease memory, long bytes) {
        return memory.isTooLarge(bytes)
                ? new RefusedException(
                        RefusedException.Reason.TOO_LARGE,
                        "body_too_large",
                        "the request needs more memory than MEMORY_BUDGET, which is " + memory.limitBytes() + " bytes")
                : new RefusedException(
                        RefusedException.Reason.OVERLOADED,
                        "out_of_memory_budget",
                        "the requests under way hold all the memory of MEMORY_BUDGET; try again later");
    }

    public static JsonError internal() {
        return of(500, "internal_error", "the worker failed; its log has the cause under this answer's X-Request-Id");
    }

    /// The answer to a failure, or null if it is the worker's own fault and belongs in the log.
    public static @Nullable JsonError of(Throwable failure) {
        return switch (failure) {
            case RequestException request -> request.error();
            // `toD` has made a parameter of a client's value.
            case ResolveEndpointFailedException endpoint
            when endpoint.getCause() instanceof RequestException request -> request.error();
            case RefusedException refused -> refused(refused);
            case ValidationException _ -> invalid("the request does not pass the validation of its route");
            case AnswerException answer -> of(502, "invalid_answer", String.valueOf(answer.getMessage()));
            case ExchangeTimedOutException _ -> of(504, "timeout", "the answer takes longer than its route allows");
            case CancellationException cancelled -> of(499, "cancelled", String.valueOf(cancelled.getMessage()));
            // The pool that runs requests is closed already, and this one came on a connection that is not.
            case RejectedExecutionException _ -> new JsonError(503, "stopping", "the worker is stopping", 1);
            default -> null;
        };
    }

    public static JsonError refused(RefusedException refused) {
        var message = String.valueOf(refused.getMessage());
        var status = switch (refused.reason()) {
            case INVALID -> 400;
            case TOO_LARGE -> 413;
            case LIMITED -> 429;
            case LOADING, OVERLOADED, FAILED -> 503;
        };
        var retryAfterSeconds = refused.retryAfterSeconds() > 0
                ? refused.retryAfterSeconds()
                : switch (refused.reason()) {
                    case INVALID, TOO_LARGE, FAILED -> 0;
                    case LOADING -> LOADING_RETRY_SECONDS;
                    case OVERLOADED, LIMITED -> OVERLOADED_RETRY_SECONDS;
                };
        return new JsonError(status, refused.code(), message, retryAfterSeconds);
    }

    /// The code that goes with a status nobody has said more about: `method_not_allowed`.
    public static JsonError ofStatus(int status, String reason) {
        var words = reason.toLowerCase(Locale.ROOT);
        var code = new StringBuilder();
        for (var character : words.toCharArray()) {
            var isLetter = character >= 'a' && character <= 'z';
            if (isLetter || code.isEmpty() || code.charAt(code.length() - 1) != '_') {
                code.append(isLetter ? character : '_');
            }
        }
        return of(status, code.toString(), words);
    }

    /// `{"error","code"}`
    Map<String, Object> fields() {
        var fields = new LinkedHashMap<String, Object>();
        fields.put("error", message);
        fields.put("code", code);
        return fields;
    }

    /// As JSON-RPC writes it: what JSON-RPC has no code for has the status of HTTP.
    ///
    /// @param id of the request; null if it is not known
    /// @param details more about it, beside the code in snake case
    public Map<String, Object> rpcFields(@Nullable Object id, Map<String, ?> details) {
        var data = new LinkedHashMap<String, Object>(details);
        data.put("code", code);
        var said = new LinkedHashMap<String, Object>();
        said.put("code", rpcCode());
        said.put("message", message);
        said.put("data", data);
        var fields = new LinkedHashMap<String, Object>();
        fields.put("jsonrpc", "2.0");
        fields.put("id", id);
        fields.put("error", said);
        return fields;
    }

    private int rpcCode() {
        return switch (code) {
            case "invalid_json" -> -32_700;
            case "unknown_method" -> -32_601;
            case "invalid_params" -> -32_602;
            case "header_mismatch" -> -32_020;
            case "unsupported_protocol_version" -> -32_022;
            default -> status == 400 ? -32_600 : status == 500 ? -32_603 : status;
        };
    }

    public String json() {
        return Json.text(fields());
    }

    /// As clients of the path expect it.
    ///
    /// @param path null if none is known
    public String jsonFor(@Nullable String path) {
        return Json.text(ErrorFormat.of(path).fields(this));
    }

    public String openAiJson() {
        return Json.text(ErrorFormat.OPENAI.fields(this));
    }

    public String anthropicJson() {
        return Json.text(ErrorFormat.ANTHROPIC.fields(this));
    }

    /// Answers `request`, unless an answer has been begun.
    public void answer(HttpServerRequest request) {
        var response = request.response();
        if (response.headWritten() || response.closed()) {
            return;
        }
        response.setStatusCode(status).putHeader("Content-Type", CONTENT_TYPE);
        if (retryAfterSeconds > 0) {
            response.putHeader("Retry-After", Integer.toString(retryAfterSeconds));
        }
        response.end(jsonFor(request.path()));
        RequestLog.refused(RequestId.of(response), null, this);
    }
}
