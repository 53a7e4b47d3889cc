package dev.llmworker.remote;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.RelayEvent;
import dev.llmworker.text.WholeCharacters;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/// Passes each event on unchanged, for clients of the same API. Only two things that break clients are repaired: a
/// finish reason that is none becomes null, and a character whose halves are in two pieces of text goes into the
/// second.
final class ChunkReader extends AnswerReader<RelayEvent> {
    private static final String REASON = "finish_reason";
    private static final Pattern SURROGATE = Pattern.compile("\\\\u[dD][89a-fA-F]");

    /// The texts of the answer that have ended within a character, by their place.
    private final Map<String, WholeCharacters> texts = new HashMap<>();

    ChunkReader(int choices) {
        super(choices);
    }

    @Override
    void emit(JsonNode event, String data, Consumer<RelayEvent> events) {
        var isUsage = event.path("choices").isEmpty() && event.path("usage").isObject();
        // An event may have several lines. The line breaks are between parts of the JSON, so spaces can replace
        // them.
        var json = isRepaired(event, data) ? event.toString() : data.replace('\n', ' ');
        events.accept(new RelayEvent.Chunk(json, isUsage));
    }

    private boolean isRepaired(JsonNode event, String data) {
        var repaired = false;
        var mayHaveHalves = texts.values().stream().anyMatch(WholeCharacters::isWaiting)
                || SURROGATE.matcher(data).find();
        for (var choice : event.path("choices")) {
            if (choice instanceof ObjectNode object) {
                if (choice.path(REASON).isTextual()
                        && !FinishReason.isGiven(choice.path(REASON).textValue())) {
                    object.putNull(REASON);
                    repaired = true;
                }
                if (mayHaveHalves) {
                    repaired |= areHalvesJoined(object, choice.path("index").asText());
                }
            }
        }
        return repaired;
    }

    /// Joins the halves in all texts of a choice, but for its scores.
    private boolean areHalvesJoined(JsonNode node, String place) {
        var changed = false;
        if (node instanceof ArrayNode list) {
            for (var i = 0; i < list.size(); i++) {
                var index = list.get(i).path("index").asInt(i);
                changed |= areHalvesJoined(list.get(i), place + '/' + index);
            }
        }
        for (var member : node.properties()) {
            var at = place + '/' + member.getKey();
            var value = member.getValue();
            if (value.isTextual()) {
                var text = texts.computeIfAbsent(at, _ -> new WholeCharacters()).push(value.textValue());
                if (!text.equals(value.textValue())) {
                    member.setValue(TextNode.valueOf(text));
                    changed = true;
                }
            } else if (!member.getKey().equals("logprobs")) {
                changed |= areHalvesJoined(value, at);
            }
        }
        return changed;
    }
}
