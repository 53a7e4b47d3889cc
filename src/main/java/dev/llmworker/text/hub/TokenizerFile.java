package dev.llmworker.text.hub;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.llmworker.weights.JsonFile;
import dev.llmworker.weights.content.ModelFileException;
import java.io.CharConversionException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/// The contents of a `tokenizer.json`. Its vocabulary is not kept as a tree, which would take a hundred thousand
/// nodes.
///
/// @param vocabulary the ids of the model's tokens, by name
/// @param added the tokens that are found in text before the model runs, by name
/// @param words special tokens of other files that are words here: merges make them of text, or they are single
///     characters
/// @param parts the other members; those of `model`, except for its vocabulary and merges, are under `model.NAME`
record TokenizerFile(
        Path file,
        byte[] bytes,
        Map<String, Integer> vocabulary,
        Map<String, Added> added,
        Set<String> words,
        Map<String, JsonNode> parts) {
    /// @param special whether it steers the model and is not text
    /// @param leftStrip whether it takes the white space before it
    /// @param rightStrip whether it takes the white space after it
    /// @param singleWord whether it must stand alone
    /// @param normalized whether it is looked for in the normalised text
    record Added(
            int id, boolean special, boolean leftStrip, boolean rightStrip, boolean singleWord, boolean normalized) {
        static Added of(int id, boolean special, JsonNode token) {
            return new Added(
                    id,
                    special,
                    token.path("lstrip").asBoolean(),
                    token.path("rstrip").asBoolean(),
                    token.path("single_word").asBoolean(),
                    token.path("normalized").asBoolean(!special));
        }

        boolean looksAround() {
            return leftStrip || rightStrip || singleWord;
        }

        Added withId(int other) {
            return new Added(other, special, leftStrip, rightStrip, singleWord, normalized);
        }

        Added asSpecial() {
            return new Added(id, true, leftStrip, rightStrip, singleWord, normalized);
        }
    }

    static final String NAME = "tokenizer.json";
    /// The longest known file, Gemma's, has 33 MB.
    private static final int MAX_BYTES = 64 << 20;
    /// Ids below this; Gemma has 262,144.
    static final int MAX_TOKENS = 1 << 20;

    private static final ObjectMapper TREES = new ObjectMapper();

    /// @param special names of special tokens in other files
    static TokenizerFile read(Path file, Set<String> special) throws IOException {
        var read = new TokenizerFile(
                file,
                JsonFile.bytes(file, MAX_BYTES),
                new HashMap<>(),
                new LinkedHashMap<>(),
                new HashSet<>(),
                new HashMap<>());
        try (var json = JsonFile.FACTORY.createParser(read.bytes)) {
            read.object(json, "", special);
            if (json.nextToken() != null) {
                throw new ModelFileException(file, "has something after its end");
            }
            special.stream()
                    .filter(name -> name.codePointCount(0, name.length()) == 1)
                    .filter(read.vocabulary::containsKey)
                    .forEach(read.words::add);
        } catch (JsonProcessingException | CharConversionException e) {
            throw JsonFile.notJson(file, e);
        }
        return read;
    }

    private void object(JsonParser json, String prefix, Set<String> special) throws IOException {
        if (json.nextToken() != JsonToken.START_OBJECT) {
            throw new ModelFileException(file, (prefix.isEmpty() ? "the file" : "model") + " is not a JSON object");
        }
        while (json.nextToken() == JsonToken.FIELD_NAME) {
            var name = prefix + json.currentName();
            switch (name) {
                case "model" -> object(json, "model.", special);
                case "model.vocab" -> vocabulary(json);
                case "added_tokens" -> added(tree(json));
                case "model.merges" -> merges(json, special);
                default -> parts.put(name, tree(json));
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
            vocabulary.put(name, checkedId("model.vocab", name, json.getLongValue()));
        }
    }

    /// Looks for special tokens among what the merges make.
    private void merges(JsonParser json, Set<String> special) throws IOException {
        json.nextToken();
        var candidates =
                special.stream().filter(name -> !added.containsKey(name)).toList();
        if (candidates.isEmpty() || json.currentToken() != JsonToken.START_ARRAY) {
            json.skipChildren();
            return;
        }
        for (var merge = json.nextToken(); merge != null && merge != JsonToken.END_ARRAY; merge = json.nextToken()) {
            var made = merge == JsonToken.START_ARRAY
                    ? String.join("", TREES.readValue(json, String[].class))
                    : json.getText().replace(" ", "");
            if (candidates.contains(made)) {
                words.add(made);
            }
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
                    Added.of(
                            checkedId("added_tokens", name, id.asLong()),
                            token.path("special").asBoolean(),
                            token));
        }
    }

    int checkedId(String part, String name, long id) throws ModelFileException {
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
