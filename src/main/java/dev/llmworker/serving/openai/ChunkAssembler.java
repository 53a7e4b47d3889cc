package dev.llmworker.serving.openai;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.text.WholeCharacters;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import java.util.stream.StreamSupport;

/// Puts the events of a streamed answer of OpenAI's API together to the answer as it is without a stream: pieces of
/// text and of the arguments of tools are joined, lists grow, and choices and calls of tools go by their `index`.
///
/// Threading: one thread.
final class ChunkAssembler {
    /// About what a value takes besides its text: the node, and its place in an object or a list.
    private static final long NODE_BYTES = 64;

    private static final String DELTA = "delta";
    private static final String REASON = "finish_reason";
    /// Texts that a server may say again; all others of a delta are pieces.
    private static final Set<String> WHOLE = Set.of("role", "type", "id", "name", "format", REASON);

    private final ObjectNode answer = JsonNodeFactory.instance.objectNode();
    private long heldBytes;

    boolean isEmpty() {
        return answer.isEmpty();
    }

    /// About how many bytes of memory the answer takes by now.
    long heldBytes() {
        return heldBytes;
    }

    void add(String chunk) {
        merge(answer, object(chunk), false);
    }

    /// The choices that end in a chunk.
    static List<Integer> finishedChoices(String chunk) {
        return StreamSupport.stream(object(chunk).path("choices").spliterator(), false)
                .filter(ChunkAssembler::isFinished)
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
            choice.putNull("logprobs").put(REASON, reason);
        });
        return Json.text(chunk);
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
            if (!isFinished(object)) {
                object.put(REASON, reason);
            }
            endWhole(object);
        }
        return Json.text(answer);
    }

    private static boolean isFinished(JsonNode choice) {
        return FinishReason.isGiven(choice.path(REASON).textValue());
    }

    /// Texts that end within a character end before it.
    private static void endWhole(JsonNode node) {
        node.forEach(ChunkAssembler::endWhole);
        for (var member : node.properties()) {
            if (member.getValue().isTextual()) {
                member.setValue(TextNode.valueOf(
                        WholeCharacters.withoutHalf(member.getValue().textValue())));
            }
        }
    }

    private static ObjectNode object(String json) {
        try {
            if (Json.tree(json) instanceof ObjectNode object) {
                return object;
            }
        } catch (JsonProcessingException _) {
            // Told below, as what is JSON and no object.
        }
        throw new IllegalStateException("a chunk is no JSON object, and was not checked");
    }

    /// @param pieces whether the texts of `from` are appended to those of `into`
    private void merge(ObjectNode into, ObjectNode from, boolean pieces) {
        from.properties().forEach(field -> {
            var name = field.getKey();
            var added = field.getValue();
            var before = into.get(name);
            if (before == null || before.isNull()) {
                heldBytes += added instanceof ArrayNode ? NODE_BYTES : bytes(added);
                into.set(name, copied(added));
            } else if (added instanceof ObjectNode object && before instanceof ObjectNode target) {
                merge(target, object, pieces || name.equals(DELTA));
            } else if (added instanceof ArrayNode list && before instanceof ArrayNode target) {
                list.forEach(element -> merge(target, element, pieces));
            } else if (added.isTextual() && before.isTextual() && isPiece(name, pieces)) {
                heldBytes += WholeAnswer.BYTES_PER_CHARACTER * added.textValue().length();
                into.put(name, before.textValue() + added.textValue());
            } else if (!added.isNull() && (!name.equals(REASON) || FinishReason.isGiven(added.textValue()))) {
                heldBytes += bytes(added) - bytes(before);
                into.set(name, added);
            }
        });
    }

    private static boolean isPiece(String name, boolean pieces) {
        return name.equals("text") || (pieces && !WHOLE.contains(name));
    }

    /// A list of elements with an index, in the order of it, whatever the order they came in.
    private JsonNode copied(JsonNode added) {
        if (!(added instanceof ArrayNode list)) {
            return added;
        }
        var copy = JsonNodeFactory.instance.arrayNode();
        list.forEach(element -> merge(copy, element, false));
        return copy;
    }

    private void merge(ArrayNode into, JsonNode element, boolean pieces) {
        var index = element.path("index").isInt() ? element.get("index").intValue() : Integer.MAX_VALUE;
        for (var i = 0; i < into.size() && index < Integer.MAX_VALUE; i++) {
            var other = into.get(i).path("index").asInt();
            if (other == index && into.get(i) instanceof ObjectNode target && element instanceof ObjectNode object) {
                merge(target, object, pieces);
                return;
            }
            if (other > index) {
                heldBytes += bytes(element);
                into.insert(i, element);
                return;
            }
        }
        heldBytes += bytes(element);
        into.add(element);
    }

    /// With the JSON that will be written of it.
    private static long bytes(JsonNode node) {
        var bytes = NODE_BYTES;
        if (node.isTextual()) {
            return bytes + WholeAnswer.BYTES_PER_CHARACTER * node.textValue().length();
        }
        for (var member : node.properties()) {
            bytes += WholeAnswer.BYTES_PER_CHARACTER * member.getKey().length();
        }
        for (var child : node) {
            bytes += bytes(child);
        }
        return bytes;
    }
}
