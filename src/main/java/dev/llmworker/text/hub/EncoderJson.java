package dev.llmworker.text.hub;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.llmworker.weights.JsonFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Set;

/// Rewrites a `tokenizer.json` without control tokens, and without the steps that put tokens around texts or cut
/// texts off.
///
/// Control tokens are also left out of the vocabulary, with the merges that would make them: so no text can
/// become one. Added tokens that are text stay and move into the vocabulary. Otherwise their ids would be counted
/// from its end.
final class EncoderJson {
    private static final ObjectMapper TREES = new ObjectMapper();

    private final TokenizerFile source;
    private final Set<String> left;
    private final boolean first;
    private final JsonParser json;
    private final JsonGenerator out;

    private EncoderJson(TokenizerFile source, Set<String> left, boolean first, JsonParser json, JsonGenerator out) {
        this.source = source;
        this.left = left;
        this.first = first;
        this.json = json;
        this.out = out;
    }

    /// @param left the control tokens to leave out
    /// @param first false for text that follows a control token: some tokenizers put a space before the first
    ///     text only
    static String of(TokenizerFile source, Set<String> left, boolean first) throws IOException {
        var bytes = new ByteArrayOutputStream(source.bytes().length);
        try (var json = JsonFile.FACTORY.createParser(source.bytes());
                var out = JsonFile.FACTORY.createGenerator(bytes)) {
            out.setCodec(TREES);
            json.nextToken();
            new EncoderJson(source, left, first, json, out).object("");
        } catch (JsonProcessingException e) {
            throw JsonFile.notJson(source.file(), e);
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    private void object(String prefix) throws IOException {
        out.writeStartObject();
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            var name = prefix + json.currentName();
            out.writeFieldName(json.currentName());
            json.nextToken();
            switch (name) {
                case "truncation", "padding", "post_processor", "decoder" -> {
                    json.skipChildren();
                    out.writeNull();
                }
                case "added_tokens" -> addedTokens();
                case "pre_tokenizer" -> preTokenizer();
                case "model" -> object("model.");
                case "model.vocab" -> vocabulary();
                case "model.merges" -> merges();
                default -> out.copyCurrentStructure(json);
            }
        }
        out.writeEndObject();
    }

    private void addedTokens() throws IOException {
        out.writeStartArray();
        for (var token : tree()) {
            if (!left.contains(token.path("content").asText())) {
                out.writeTree(token);
            }
        }
        out.writeEndArray();
    }

    private void preTokenizer() throws IOException {
        var tree = tree();
        if (!first) {
            for (var part : HubTokenizer.steps(tree, "pretokenizers")) {
                if (HubTokenizer.startsFirstOnly(part)) {
                    ((ObjectNode) part).put("prepend_scheme", "never").put("add_prefix_space", false);
                }
            }
        }
        out.writeTree(tree);
    }

    private void vocabulary() throws IOException {
        // The unknown token stays even if it is a control token: the library fails without it at the first text that
        // needs it.
        var unknown = source.part("model.unk_token").asText();
        out.writeStartObject();
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            var name = json.currentName();
            json.nextToken();
            if (!left.contains(name) || name.equals(unknown)) {
                out.writeNumberField(name, json.getIntValue());
            }
        }
        for (var token : source.added().entrySet()) {
            if (!left.contains(token.getKey()) && !source.vocabulary().containsKey(token.getKey())) {
                out.writeNumberField(token.getKey(), token.getValue().id());
            }
        }
        out.writeEndObject();
    }

    /// Copies the merges: pairs of tokens, separated by a space or as an array.
    private void merges() throws IOException {
        if (json.currentToken() != JsonToken.START_ARRAY) {
            throw source.problem("model.merges", "is not an array");
        }
        out.writeStartArray();
        while (json.nextToken() != JsonToken.END_ARRAY) {
            if (json.currentToken() != JsonToken.START_ARRAY && json.currentToken() != JsonToken.VALUE_STRING) {
                throw source.problem("model.merges", "has " + json.currentToken() + "; expected pairs of tokens");
            }
            var pair = json.currentToken() == JsonToken.START_ARRAY
                    ? pair()
                    : json.getText().split(" ", 2);
            var kept = pair.length == 2
                    && !left.contains(pair[0])
                    && !left.contains(pair[1])
                    && !left.contains(pair[0] + pair[1]);
            if (kept) {
                out.writeArray(pair, 0, 2);
            }
        }
        out.writeEndArray();
    }

    private JsonNode tree() throws IOException {
        return TREES.readTree(json);
    }

    private String[] pair() throws IOException {
        return TREES.readValue(json, String[].class);
    }
}
