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
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Rewrites a `tokenizer.json` for [HuggingFaceEncoder], without the steps that put tokens around texts or cut texts
/// off.
///
/// Control tokens are left out of the vocabulary, with the merges that would make them: so no text can become one.
/// Added tokens that are text move into the vocabulary. Otherwise their ids would be counted from its end.
final class EncoderJson {
    private static final ObjectMapper TREES = new ObjectMapper();

    /// The tokens of a model.
    ///
    /// @param added those that are text
    /// @param control in the order of the encoder
    /// @param unusable without an embedding: plain text
    record Tokens(Map<String, Added> added, Map<String, Added> control, Set<String> unusable) {
        private boolean isLeftOut(String name) {
            return control.containsKey(name) || unusable.contains(name);
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
        for (var token : tokens.added().entrySet()) {
            addedToken(token.getKey(), token.getValue().id(), token.getValue(), token.getValue().normalized());
        }
        var id = HuggingFaceEncoder.START_ID;
        addedToken(HuggingFaceEncoder.START, id, new Added(id, true, false, false, false, false), false);
        for (var token : tokens.control().entrySet()) {
            var normalized = token.getValue().normalized() && !guarded;
            id++;
            var name = guarded ? HuggingFaceEncoder.guardedName(token.getKey(), id) : token.getKey();
            addedToken(name, id, token.getValue(), normalized);
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
        for (var token : tokens.added().entrySet()) {
            if (!source.vocabulary().containsKey(token.getKey())) {
                out.writeNumberField(token.getKey(), token.getValue().id());
            }
        }
        var unknown = tokens.control().get(unknownName());
        if (unknown != null) {
            out.writeNumberField(HuggingFaceEncoder.UNKNOWN, unknown.id());
        }
        out.writeEndObject();
    }

    private String unknownName() {
        return source.part("model.unk_token").asText();
    }

    /// Writes the token for what the vocabulary lacks. If it is a control token, the vocabulary has it by another name.
    private void unknown() throws IOException {
        out.writeFieldName("unk_token");
        if (tokens.control().containsKey(unknownName())) {
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
                    ? List.of(TREES.readValue(json, String[].class))
                    : List.of(json.getText().split(" ", 2));
            if (pair.size() == 2 && pair.stream().noneMatch(tokens::isLeftOut)
                    && !tokens.isLeftOut(String.join("", pair))) {
                out.writeArray(pair.toArray(String[]::new), 0, 2);
            }
        }
        out.writeEndArray();
    }
}
