package dev.llmworker.serving.responses;

import com.fasterxml.jackson.databind.util.RawValue;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.request.UnsupportedFields;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.serving.wire.RequestFields;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.jspecify.annotations.Nullable;

/// The beans that show, delete and cancel the response whose id is the parameter `id` of the path. The responses of
/// other API keys are not there.
public final class StoredResponseProcessor implements Processor {
    private static final String ID = "id";
    private static final int DEFAULT_LIMIT = 20;
    private static final int MAX_LIMIT = 100;
    /// Of what is shown for each character: in JSON, in UTF-8, and as what is sent.
    private static final long BYTES_PER_CHARACTER = 8;
    private static final long BYTES_PER_STORED_BYTE = 4;

    private final Action action;
    private final ResponseStore store;
    private final Generations generations;

    /// What is done with it.
    public enum Action {
        SHOW("response"),
        SHOW_INPUT("responseInput"),
        DELETE("deleteResponse"),
        CANCEL("cancelResponse");

        private final String bean;

        Action(String bean) {
            this.bean = bean;
        }

        /// The name of the bean that does it.
        public String bean() {
            return bean;
        }
    }

    public StoredResponseProcessor(Action action, ResponseStore store, Generations generations) {
        this.action = action;
        this.store = store;
        this.generations = generations;
    }

    @Override
    public void process(Exchange exchange) {
        var message = exchange.getMessage();
        var id = message.getHeader(ID, String.class);
        if (id == null) {
            throw new IllegalStateException("the bean " + action.bean + " serves routes whose path has {id}");
        }
        var client = Client.of(exchange);
        var json = switch (action) {
            case SHOW -> show(client, id, exchange);
            case SHOW_INPUT -> input(found(store.find(client, id), id).input(), exchange);
            case DELETE -> {
                if (!store.delete(client, id)) {
                    throw unknown(id);
                }
                yield Json.text(deleted(id));
            }
            case CANCEL -> cancelled(client, id, exchange);
        };
        message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        message.setBody(json.getBytes(StandardCharsets.UTF_8));
    }

    private String show(Client client, String id, Exchange exchange) {
        var message = exchange.getMessage();
        for (var name : List.of("stream", "starting_after")) {
            var value = message.getHeader(name, String.class);
            if (!UnsupportedFields.asksForNothing(value) && !"false".equals(value)) {
                throw RequestException.invalid(
                        name, name + " is not supported: only its own request streams a response");
            }
        }
        var running = store.running(client, id, bytes -> hold(BYTES_PER_STORED_BYTE * bytes, exchange));
        return running == null ? ended(client, id, exchange) : running;
    }

    /// A response that has ended stays as it is.
    private String cancelled(Client client, String id, Exchange exchange) {
        var cancelled = store.cancel(client, id, bytes -> hold(BYTES_PER_STORED_BYTE * bytes, exchange));
        return cancelled == null ? ended(client, id, exchange) : cancelled;
    }

    private String ended(Client client, String id, Exchange exchange) {
        var json = found(store.find(client, id), id).json();
        hold(BYTES_PER_CHARACTER * json.length(), exchange);
        return json;
    }

    /// The memory stays taken until the answer is sent.
    private void hold(long bytes, Exchange exchange) {
        generations.holdUntilSent(bytes, exchange);
    }

    private static ResponseStore.Stored found(ResponseStore.@Nullable Stored stored, String id) {
        if (stored == null) {
            throw unknown(id);
        }
        return stored;
    }

    private static RequestException unknown(String id) {
        return new RequestException(new JsonError(
                404, "response_not_found", "no response \"" + RequestFields.shortened(id) + "\" is stored", 0, ID));
    }

    private static Map<String, ?> deleted(String id) {
        var deleted = new LinkedHashMap<String, Object>();
        deleted.put("id", id);
        deleted.put("object", "response");
        deleted.put("deleted", true);
        return deleted;
    }

    /// A page of the items of a response's request.
    private String input(List<ResponseStore.Item> items, Exchange exchange) {
        var message = exchange.getMessage();
        var order = message.getHeader("order", String.class);
        var ordered = switch (order) {
            case null -> items.reversed();
            case "desc" -> items.reversed();
            case "asc" -> items;
            default -> throw RequestFields.wrong("order", order, "asc or desc");
        };
        var after = message.getHeader("after", String.class);
        if (after != null) {
            var at = ordered.stream().map(ResponseStore.Item::id).toList().indexOf(after);
            if (at < 0) {
                throw RequestException.invalid(
                        "after", "after is \"" + RequestFields.shortened(after) + "\", which is not one of the items");
            }
            ordered = ordered.subList(at + 1, ordered.size());
        }
        var page = ordered.subList(0, Math.min(limit(message.getHeader("limit", String.class)), ordered.size()));
        var characters = page.stream().mapToLong(item -> item.json().length()).sum();
        hold(BYTES_PER_CHARACTER * characters, exchange);
        var list = new LinkedHashMap<String, @Nullable Object>();
        list.put("object", "list");
        list.put("data", page.stream().map(item -> new RawValue(item.json())).toList());
        list.put("first_id", page.isEmpty() ? null : page.getFirst().id());
        list.put("last_id", page.isEmpty() ? null : page.getLast().id());
        list.put("has_more", page.size() < ordered.size());
        return Json.text(list);
    }

    private static int limit(@Nullable String sent) {
        if (sent == null) {
            return DEFAULT_LIMIT;
        }
        try {
            var limit = Integer.parseInt(sent);
            if (limit >= 1 && limit <= MAX_LIMIT) {
                return limit;
            }
        } catch (NumberFormatException _) {
            // Refused below.
        }
        throw RequestFields.wrong("limit", sent, "a whole number from 1 to " + MAX_LIMIT);
    }
}
