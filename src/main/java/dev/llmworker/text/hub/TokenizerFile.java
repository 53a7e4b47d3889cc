package dev.llmworker.text.hub;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.llmworker.weights.JsonFile;
import dev.llmworker.weights.ModelFileException;
import java.io.CharConversionException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/// The contents of a `tokenizer.json`. Its vocabulary is not kept as a tree, which would take a hundred thousand
/// nodes.
///
/// @param vocabulary the ids of the model's tokens, by name
/// @param added the tokens that are found in text before the model runs, by name
/// @param parts the other members; those of `model`, except for its vocabulary and merges, are under `model.NAME`
record TokenizerFile(
        Path file,
        byte[] bytes,
        Map<String, Integer> vocabulary,
        Map<String, Added> added,
        Map<String, JsonNode> parts) {
    /// @param special whether it steers the model and is not text
    /// @param strips whether it takes the spaces around it
    record Added(int id, boolean special, boolean strips) {}

    static final String NAME = "tokenizer.json";
    /// The longest known file, Gemma's, has 33 MB.
    private static final int MAX_BYTES = 64 << 20;
    /// Ids below this; Gemma has 262,144.
    static final int MAX_TOKENS = 1 << 20;

    private static final ObjectMapper TREES = new ObjectMapper();
    private static final Set<String> LARGE = Set.of("merges");

    static TokenizerFile read(Path file) throws IOException {
        var read = new TokenizerFile(
                file, JsonFile.bytes(file, MAX_BYTES), new HashMap<>(), new LinkedHashMap<>(), new HashMap<>());
        try (var json = JsonFile.FACTORY.createParser(read.bytes)) {
            read.object(json, "");
            if (json.nextToken() != null) {
                throw new ModelFileException(file, "has something after its end");
            }
        } catch (JsonProcessingException | CharConversionException e) {
            throw JsonFile.notJson(file, e);
        }
        return read;
    }

    private void object(JsonParser json, String prefix) throws IOException {
        if (json.nextToken() != JsonToken.START_OBJECT) {
            throw new ModelFileException(file, (prefix.isEmpty() ? "the file" : "model") + " is not a JSON object");
        }
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            var name = prefix + json.currentName();
            switch (name) {
                case "model" -> object(json, "model.");
                case "model.vocab" -> vocabulary(json);
                case "added_tokens" -> added(tree(json));
                default -> {
                    if (LARGE.contains(json.currentName())) {
                        json.nextToken();
                        json.skipChildren();
                    } else {
                        parts.put(name, tree(json));
                    }
                }
            }
        }
    }

    private static JsonNode tree(JsonParser json) throws IOException {
        json.nextToken();
        return TREES.readTree(json);
    }

    private void vocabulary(JsonParser json) throws IOException {
        if (json.nextToken() != JsonToken.START_OBJECT) {
            throw problem("model.vocab", "is no object of names and numbers");
        }
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            var name = json.currentName();
            if (json.nextToken() != JsonToken.VALUE_NUMBER_INT) {
                throw problem("model.vocab", "has " + json.currentToken() + " for " + name + "; expected a number");
            }
            vocabulary.put(name, id("model.vocab", name, json.getLongValue()));
        }
    }

    private void added(JsonNode tokens) throws ModelFileException {
        for (var token : tokens) {
            var name = token.path("content").asText();
            var id = token.path("id");
            if (name.isEmpty() || !id.isIntegralNumber()) {
                throw problem("added_tokens", "has an entry without content or id");
            }
            added.put(
                    name,
                    new Added(
                            id("added_tokens", name, id.asLong()),
                            token.path("special").asBoolean(),
                            token.path("lstrip").asBoolean()
                                    || token.path("rstrip").asBoolean()));
        }
    }

    private int id(String part, String name, long id) throws ModelFileException {
        if (id < 0 || id >= MAX_TOKENS) {
            throw problem(part, "has id " + id + " for " + name + "; expected 0 to " + (MAX_TOKENS - 1));
        }
        return (int) id;
    }

    /// A member such as `decoder` or `model.unk_token`; a missing node if it is null.
    JsonNode part(String name) {
        var part = parts.getOrDefault(name, MissingNode.getInstance());
        return part.isNull() ? MissingNode.getInstance() : part;
    }

    ModelFileException problem(String name, String problem) {
        return new ModelFileException(file, name + " " + problem);
    }
}
