package dev.llmworker.text.hub;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.weights.JsonFile;
import dev.llmworker.weights.ModelFileException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// The small files beside a model's weights that describe its special tokens and chat template. Any of them may
/// be missing.
///
/// @param tokenizer `tokenizer_config.json`
/// @param special `special_tokens_map.json`
/// @param generation `generation_config.json`
/// @param model `config.json`
public record HubSettings(Path folder, JsonFile tokenizer, JsonFile special, JsonFile generation, JsonFile model) {
    private static final int MAX_BYTES = 16 << 20;
    private static final int MAX_TEMPLATE_BYTES = 1 << 20;
    private static final String TEMPLATE = "chat_template.jinja";

    public static HubSettings read(Path folder) throws IOException {
        return new HubSettings(
                folder,
                JsonFile.readIfThere(folder.resolve("tokenizer_config.json"), MAX_BYTES),
                JsonFile.readIfThere(folder.resolve("special_tokens_map.json"), MAX_BYTES),
                JsonFile.readIfThere(folder.resolve("generation_config.json"), MAX_BYTES),
                JsonFile.readIfThere(folder.resolve("config.json"), MAX_BYTES));
    }

    /// The name of a special token, such as `bos_token`.
    @Nullable
    String specialToken(String which) {
        for (var file : List.of(tokenizer, special)) {
            var node = file.get(which);
            var name = node.isObject() ? node.path("content") : node;
            if (name.isTextual() && !name.textValue().isEmpty()) {
                return name.textValue();
            }
        }
        return null;
    }

    /// Tokens that `tokenizer_config.json` declares special, regardless of `tokenizer.json`.
    TreeSet<String> declaredSpecial() {
        var names = new TreeSet<String>();
        for (var token : tokenizer.get("added_tokens_decoder")) {
            if (token.path("special").asBoolean()
                    && !token.path("content").asText().isEmpty()) {
                names.add(token.path("content").asText());
            }
        }
        return names;
    }

    /// The ids of the tokens with which the model ends an answer: one or several, in two files.
    ///
    /// @throws ModelFileException if an id is outside the vocabulary
    BitSet endIds(int vocabularySize) throws ModelFileException {
        var ids = new BitSet();
        for (var file : List.of(generation, model)) {
            var node = file.get("eos_token_id");
            for (var id : node.isArray() ? node : List.of(node)) {
                if (id.isMissingNode() || id.isNull()) {
                    continue;
                }
                if (!id.canConvertToInt() || id.asInt() < 0 || id.asInt() >= vocabularySize) {
                    throw file.problem(
                            "eos_token_id", "has " + id + "; the vocabulary has tokens 0 to " + (vocabularySize - 1));
                }
                ids.set(id.asInt());
            }
        }
        return ids;
    }

    /// The chat template: a file of its own, or else a part of `tokenizer_config.json`; null if there is none.
    @Nullable
    public Template template() throws IOException {
        var own = folder.resolve(TEMPLATE);
        if (Files.exists(own)) {
            return new Template(
                    own, TEMPLATE, new String(JsonFile.bytes(own, MAX_TEMPLATE_BYTES), StandardCharsets.UTF_8));
        }
        var node = tokenizer.get("chat_template");
        var source = node.isArray() ? named(node) : node;
        return source.isTextual() ? new Template(tokenizer.file(), "chat_template", source.textValue()) : null;
    }

    private static JsonNode named(JsonNode templates) {
        for (var template : templates) {
            if (template.path("name").asText().equals("default")) {
                return template.path("template");
            }
        }
        return templates.path(-1);
    }

    /// @param name its name in the file, for messages
    public record Template(Path file, String name, String source) {}
}
