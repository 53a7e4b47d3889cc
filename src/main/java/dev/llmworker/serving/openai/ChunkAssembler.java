package dev.llmworker.serving.openai;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import java.util.stream.StreamSupport;

/// Puts the events of a streamed answer of OpenAI's API together to the answer as it is without a stream: pieces of
/// text
/// and of the arguments of tools are joined, lists grow, and choices and calls of tools go by their `index`.
///
/// Threading: one thread.
final class ChunkAssembler {
    private static final String DELTA = "delta";
    /// Texts that a server may say again; all others of a delta are pieces.
    private static final Set<String> WHOLE = Set.of("role", "type", "id", "name", "format", "finish_reason");

    private static final ObjectMapper JSON = new ObjectMapper();

    private final ObjectNode answer = JSON.createObjectNode();

    boolean isEmpty() {
        return answer.isEmpty();
    }

    void add(String chunk) {
        merge(answer, object(chunk), false);
    }

    /// The choices that end in a chunk.
    static List<Integer> finishedChoices(String chunk) {
        return StreamSupport.stream(object(chunk).path("choices").spliterator(), false)
                .filter(choice -> choice.path("finish_reason").isTextual())
                .map(choice -> Math.max(0, choice.path("index").asInt()))
                .toList();
    }

    /// A chunk that ends choices, like one of their stream.
    static String ending(String like, BitSet choices, String reason) {
        var chunk = object(like);
        var isText = chunk.path("object").asText().equals("text_completion");
        var list = chunk.putArray("choices");
        choices.stream().forEach(index -> {
            var choice = list.addObject().put("index", index);
            if (isText) {
                choice.put("text", "");
            } else {
                choice.putObject(DELTA);
            }
            choice.putNull("logprobs").put("finish_reason", reason);
        });
        return chunk.toString();
    }

    /// The whole answer as JSON.
    ///
    /// @param reason why choices have ended that do not say so
    String answer(String reason) {
        if (answer.path("object").asText().equals("chat.completion.chunk")) {
            answer.put("object", "chat.completion");
        }
        for (var choice : answer.withArray("choices")) {
            var object = (ObjectNode) choice;
            if (object.remove(DELTA) instanceof ObjectNode message) {
                if (!message.has("content")) {
                    message.putNull("content");
                }
                message.path("tool_calls").forEach(call -> ((ObjectNode) call).remove("index"));
                object.set("message", message);
            }
            if (!object.path("finish_reason").isTextual()) {
                object.put("finish_reason", reason);
            }
        }
        return answer.toString();
    }

    private static ObjectNode object(String json) {
        try {
            if (JSON.readTree(json) instanceof ObjectNode object) {
                return object;
            }
        } catch (JsonProcessingException _) {
            // Told below, as what is JSON and no object.
        }
        throw new IllegalStateException("a chunk is no JSON object, and was not checked");
    }

    /// @param pieces whether the texts of `from` are appended to those of `into`
    private static void merge(ObjectNode into, ObjectNode from, boolean pieces) {
        from.properties().forEach(field -> {
            var name = field.getKey();
            var added = field.getValue();
            var before = into.get(name);
            if (before == null || before.isNull()) {
                into.set(name, copied(added));
            } else if (added instanceof ObjectNode object && before instanceof ObjectNode target) {
                merge(target, object, pieces || name.equals(DELTA));
            } else if (added instanceof ArrayNode list && before instanceof ArrayNode target) {
                list.forEach(element -> merge(target, element, pieces));
            } else if (added.isTextual() && before.isTextual() && isPiece(name, pieces)) {
                into.put(name, before.textValue() + added.textValue());
            } else if (!added.isNull()) {
                into.set(name, added);
            }
        });
    }

    private static boolean isPiece(String name, boolean pieces) {
        return name.equals("text") || (pieces && !WHOLE.contains(name));
    }

    /// A list of elements with an index, in the order of it, whatever the order they came in.
    private static JsonNode copied(JsonNode added) {
        if (!(added instanceof ArrayNode list)) {
            return added;
        }
        var copy = JSON.createArrayNode();
        list.forEach(element -> merge(copy, element, false));
        return copy;
    }

    private static void merge(ArrayNode into, JsonNode element, boolean pieces) {
        if (!element.path("index").isInt()) {
            into.add(element);
            return;
        }
        var index = element.get("index").intValue();
        for (var i = 0; i < into.size(); i++) {
            var other = into.get(i).path("index").asInt();
            if (other == index && into.get(i) instanceof ObjectNode target && element instanceof ObjectNode object) {
                merge(target, object, pieces);
                return;
            }
            if (other > index) {
                into.insert(i, element);
                return;
            }
        }
        into.add(element);
    }
}
