package dev.llmworker.serving.openai;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.POJONode;
import com.fasterxml.jackson.databind.node.TextNode;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.wire.Json;
import dev.llmworker.text.WholeCharacters;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

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
        whole(answer);
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
        }
        return Json.text(answer);
    }

    private static boolean isFinished(JsonNode choice) {
        return FinishReason.isGiven(choice.path(REASON).textValue());
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
                heldBytes += bytes(added);
                into.set(name, growing(added));
            } else if (added instanceof ObjectNode object && before instanceof ObjectNode target) {
                merge(target, object, pieces || name.equals(DELTA));
            } else if (added instanceof ArrayNode list
                    && before instanceof POJONode it
                    && it.getPojo() instanceof Elements all) {
                for (var element : list) {
                    heldBytes += all.has(element) ? 0 : bytes(element);
                    all.add(element, pieces);
                }
            } else if (added.isTextual() && isPiece(name, pieces) && text(before) instanceof StringBuilder text) {
                heldBytes += WholeAnswer.BYTES_PER_CHARACTER * added.textValue().length();
                into.set(name, new POJONode(text.append(added.textValue())));
            } else if (!added.isNull() && (!name.equals(REASON) || FinishReason.isGiven(added.textValue()))) {
                heldBytes += bytes(added) - bytes(before);
                into.set(name, growing(added));
            }
        });
    }

    private static boolean isPiece(String name, boolean pieces) {
        return name.equals("text") || (pieces && !WHOLE.contains(name));
    }

    /// A text that may grow; null if it is none.
    private static @Nullable StringBuilder text(JsonNode node) {
        return switch (node) {
            case TextNode text -> new StringBuilder(text.textValue());
            case POJONode it when it.getPojo() instanceof StringBuilder text -> text;
            default -> null;
        };
    }

    /// What may grow in a part of a chunk is a [StringBuilder] or [Elements], so that a piece costs its own length.
    private JsonNode growing(JsonNode added) {
        return switch (added) {
            case ArrayNode list -> {
                var all = new Elements();
                list.forEach(element -> all.add(element, false));
                yield new POJONode(all);
            }
            case ObjectNode object -> {
                object.properties().forEach(member -> member.setValue(growing(member.getValue())));
                yield object;
            }
            default -> added;
        };
    }

    /// As JSON, once it grows no more. Texts that end within a character end before it.
    private static JsonNode whole(JsonNode node) {
        return switch (node) {
            case ObjectNode object -> {
                object.properties().forEach(member -> member.setValue(whole(member.getValue())));
                yield object;
            }
            case POJONode it
            when it.getPojo() instanceof Elements all -> {
                var list = JsonNodeFactory.instance.arrayNode();
                all.byIndex.values().forEach(element -> list.add(whole(element)));
                all.others.forEach(element -> list.add(whole(element)));
                yield list;
            }
            default -> {
                var text = text(node);
                yield text == null ? node : TextNode.valueOf(WholeCharacters.withoutHalf(text.toString()));
            }
        };
    }

    /// A list. Elements with an index are in the order of it, whatever the order they came in.
    private final class Elements {
        final SortedMap<Integer, ObjectNode> byIndex = new TreeMap<>();
        final List<JsonNode> others = new ArrayList<>();

        /// Whether an element is a piece of one that is there.
        boolean has(JsonNode element) {
            return element instanceof ObjectNode
                    && element.path("index").isInt()
                    && byIndex.containsKey(element.get("index").intValue());
        }

        void add(JsonNode element, boolean pieces) {
            if (!(element instanceof ObjectNode object) || !object.path("index").isInt()) {
                others.add(growing(element));
                return;
            }
            var index = object.get("index").intValue();
            var before = byIndex.get(index);
            if (before == null) {
                growing(object);
                byIndex.put(index, object);
            } else {
                merge(before, object, pieces);
            }
        }
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
