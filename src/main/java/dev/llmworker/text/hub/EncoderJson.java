package dev.llmworker.text.hub;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.text.HuggingFaceEncoder;
import dev.llmworker.text.hub.TokenizerFile.Added;
import dev.llmworker.weights.JsonFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Rewrites a `tokenizer.json` for [HuggingFaceEncoder], without the steps that put tokens around texts or cut texts
/// off.
///
/// Control tokens are left out of the vocabulary, with the merges that would make them: so no text can become one.
final class EncoderJson {
    private static final ObjectMapper TREES = new ObjectMapper();

    /// The tokens of a model.
    ///
    /// @param words those added tokens that are text and in the vocabulary
    /// @param further those that are text and are not
    /// @param unusable without an embedding: plain text
    record Tokens(
            Map<String, Added> words, Map<String, Added> further, Map<String, Added> control, Set<String> unusable) {
        private boolean isLeftOut(String name) {
            return control.containsKey(name) || unusable.contains(name);
        }

        /// The tokens that are not in the encoder's vocabulary, in its order.
        Stream<Map.Entry<String, Added>> numbered() {
            return Stream.concat(further.entrySet().stream(), control.entrySet().stream());
        }

        /// The added tokens that are text.
        Stream<Map.Entry<String, Added>> text() {
            return Stream.concat(words.entrySet().stream(), further.entrySet().stream());
        }
    }

    private final TokenizerFile source;
    private final Tokens tokens;
    private final boolean guarded;
    private final JsonParser json;
    private final JsonGenerator out;

    private EncoderJson(TokenizerFile source, Tokens tokens, boolean guarded, JsonParser json, JsonGenerator out) {
        this.source = source;
        this.tokens = tokens;
        this.guarded = guarded;
        this.json = json;
        this.out = out;
    }

    /// @param guarded for texts that a [dev.llmworker.text.NameGuard] made: control tokens are found before the text is
    ///     normalised
    static String of(TokenizerFile source, Tokens tokens, boolean guarded) throws IOException {
        var bytes = new ByteArrayOutputStream(source.bytes().length);
        try (var json = JsonFile.FACTORY.createParser(source.bytes());
                var out = JsonFile.FACTORY.createGenerator(bytes)) {
            out.setCodec(TREES);
            json.nextToken();
            new EncoderJson(source, tokens, guarded, json, out).write();
        } catch (JsonProcessingException e) {
            throw JsonFile.notJson(source.file(), e);
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    private void write() throws IOException {
        out.writeStartObject();
        addedTokens();
        normalizer();
        members("");
        out.writeEndObject();
    }

    private void members(String prefix) throws IOException {
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            var name = json.currentName();
            json.nextToken();
            switch (prefix + name) {
                case "truncation", "padding", "post_processor", "decoder", "added_tokens", "normalizer" ->
                    json.skipChildren();
                case "model" -> {
                    out.writeObjectFieldStart(name);
                    members("model.");
                    out.writeEndObject();
                }
                case "model.vocab" -> vocabulary();
                case "model.merges" -> merges();
                case "model.unk_token" -> unknown();
                default -> {
                    out.writeFieldName(name);
                    out.copyCurrentStructure(json);
                }
            }
        }
    }

    private void addedTokens() throws IOException {
        out.writeArrayFieldStart("added_tokens");
        for (var token : tokens.words().entrySet()) {
            addedToken(
                    token.getKey(),
                    token.getValue().id(),
                    token.getValue(),
                    token.getValue().normalized());
        }
        var id = HuggingFaceEncoder.START_ID;
        addedToken(HuggingFaceEncoder.START, id, new Added(id, true, false, false, false, false), false);
        for (var token : tokens.numbered().toList()) {
            id++;
            var guards = guarded && tokens.control().containsKey(token.getKey());
            var name = guards ? HuggingFaceEncoder.guardedName(token.getKey(), id) : token.getKey();
            addedToken(name, id, token.getValue(), token.getValue().normalized() && !guards);
        }
        out.writeEndArray();
    }

    private void addedToken(String name, int id, Added token, boolean normalized) throws IOException {
        out.writeStartObject();
        out.writeNumberField("id", id);
        out.writeStringField("content", name);
        out.writeBooleanField("single_word", token.singleWord());
        out.writeBooleanField("lstrip", token.leftStrip());
        out.writeBooleanField("rstrip", token.rightStrip());
        out.writeBooleanField("normalized", normalized);
        out.writeBooleanField("special", token.special());
        out.writeEndObject();
    }

    private void normalizer() throws IOException {
        var own = source.part("normalizer");
        out.writeFieldName("normalizer");
        if (!guarded) {
            out.writeTree(own.isMissingNode() ? TREES.nullNode() : own);
            return;
        }
        out.writeStartObject();
        out.writeStringField("type", "Sequence");
        out.writeArrayFieldStart("normalizers");
        for (var step : HuggingFaceEncoder.UNGUARDING) {
            out.writeTree(TREES.readTree(step));
        }
        if (!own.isMissingNode()) {
            out.writeTree(own);
        }
        out.writeEndArray();
        out.writeEndObject();
    }

    private void vocabulary() throws IOException {
        out.writeObjectFieldStart("vocab");
        out.writeNumberField(HuggingFaceEncoder.START, HuggingFaceEncoder.START_ID);
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            var name = json.currentName();
            json.nextToken();
            if (!tokens.isLeftOut(name)) {
                out.writeNumberField(name, json.getIntValue());
            }
        }
        var unknown = addedUnknown();
        if (unknown != null) {
            out.writeNumberField(HuggingFaceEncoder.UNKNOWN, unknown.id());
        }
        out.writeEndObject();
    }

    private String unknownName() {
        return source.part("model.unk_token").asText();
    }

    /// The unknown token if the encoder's vocabulary lacks it.
    private @Nullable Added addedUnknown() {
        return tokens.numbered()
                .filter(token -> token.getKey().equals(unknownName()))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse(null);
    }

    /// Writes the name of the unknown token, or the one that it has in the encoder's vocabulary instead.
    private void unknown() throws IOException {
        out.writeFieldName("unk_token");
        if (addedUnknown() != null) {
            out.writeString(HuggingFaceEncoder.UNKNOWN);
        } else if (tokens.unusable().contains(unknownName())) {
            out.writeNull();
        } else {
            out.copyCurrentStructure(json);
        }
    }

    /// Copies the merges: pairs of tokens, separated by a space or as an array.
    private void merges() throws IOException {
        if (json.currentToken() != JsonToken.START_ARRAY) {
            throw source.problem("model.merges", "is not an array");
        }
        out.writeArrayFieldStart("merges");
        while (json.nextToken() != JsonToken.END_ARRAY) {
            if (json.currentToken() != JsonToken.START_ARRAY && json.currentToken() != JsonToken.VALUE_STRING) {
                throw source.problem("model.merges", "has " + json.currentToken() + "; expected pairs of tokens");
            }
            var pair = json.currentToken() == JsonToken.START_ARRAY
                    ? TREES.readValue(json, String[].class)
                    : json.getText().split(" ", 2);
            var kept = pair.length == 2
                    && !tokens.isLeftOut(pair[0])
                    && !tokens.isLeftOut(pair[1])
                    && !tokens.isLeftOut(pair[0] + pair[1]);
            if (kept) {
                out.writeArray(pair, 0, 2);
            }
        }
        out.writeEndArray();
    }
}
