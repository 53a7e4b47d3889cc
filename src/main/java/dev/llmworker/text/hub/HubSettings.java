package dev.llmworker.text.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.llmworker.weights.JsonFile;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The small files beside a model's weights that describe its special tokens and chat template. Any of them may
/// be missing.
///
/// @param tokenizer `tokenizer_config.json`
/// @param special `special_tokens_map.json`
/// @param added `added_tokens.json`
/// @param generation `generation_config.json`
/// @param model `config.json`
/// @param processor `chat_template.json`
public record HubSettings(
        Path folder,
        JsonFile tokenizer,
        JsonFile special,
        JsonFile added,
        JsonFile generation,
        JsonFile model,
        JsonFile processor) {
    private static final int MAX_BYTES = 16 << 20;
    private static final int MAX_TEMPLATE_BYTES = 1 << 20;
    private static final String TEMPLATE = "chat_template.jinja";
    private static final String TOOL_USE = "tool_use";
    private static final String TOOL_TEMPLATE = "additional_chat_templates/" + TOOL_USE + ".jinja";
    private static final List<String> STANDARD =
            List.of("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token");
    /// The special tokens of transformers' classes, if the files do not name others.
    private static final Map<String, Map<String, String>> CLASS_TOKENS = Map.of(
            "LlamaTokenizer", Map.of("bos_token", "<s>", "eos_token", "</s>", "unk_token", "<unk>"),
            "Qwen2Tokenizer",
                    Map.of(
                            "eos_token", "<|endoftext|>",
                            "unk_token", "<|endoftext|>",
                            "pad_token", "<|endoftext|>"),
            "GPT2Tokenizer",
                    Map.of(
                            "bos_token", "<|endoftext|>",
                            "eos_token", "<|endoftext|>",
                            "unk_token", "<|endoftext|>"));

    public static HubSettings read(Path folder) throws IOException {
        return new HubSettings(
                folder,
                JsonFile.readIfThere(folder.resolve("tokenizer_config.json"), MAX_BYTES),
                JsonFile.readIfThere(folder.resolve("special_tokens_map.json"), MAX_BYTES),
                JsonFile.readIfThere(folder.resolve("added_tokens.json"), MAX_BYTES),
                JsonFile.readIfThere(folder.resolve("generation_config.json"), MAX_BYTES),
                JsonFile.readIfThere(folder.resolve("config.json"), MAX_BYTES),
                JsonFile.readIfThere(folder.resolve("chat_template.json"), MAX_BYTES));
    }

    /// The names of the special tokens, by what chat templates call them, such as `bos_token`.
    Map<String, String> specialTokens() {
        var names = new LinkedHashMap<String, String>();
        var usual = CLASS_TOKENS.getOrDefault(tokenizerClass(), Map.of());
        for (var key : STANDARD) {
            // A null says that there is none.
            if (usual.containsKey(key) && tokenizer.get(key).isMissingNode()) {
                names.put(key, usual.get(key));
            }
        }
        for (var file : List.of(special, tokenizer)) {
            for (var token : file.root().properties()) {
                if (token.getKey().endsWith("_token")) {
                    put(names, token.getKey(), token.getValue());
                }
            }
            file.get("extra_special_tokens")
                    .properties()
                    .forEach(token -> put(names, token.getKey(), token.getValue()));
        }
        return names;
    }

    private static void put(Map<String, String> names, String key, JsonNode token) {
        if (!name(token).isEmpty()) {
            names.put(key, name(token));
        }
    }

    /// The special tokens that have no name of their own.
    List<String> furtherSpecialTokens() {
        return further().stream().map(HubSettings::name).toList();
    }

    private List<JsonNode> further() {
        var tokens = new ArrayList<JsonNode>();
        for (var file : List.of(tokenizer, special)) {
            for (var key : List.of("additional_special_tokens", "extra_special_tokens")) {
                if (file.get(key).isArray()) {
                    file.get(key).forEach(tokens::add);
                }
            }
        }
        return tokens;
    }

    /// All special tokens that the settings name, with their attributes, in the order in which transformers adds them.
    Map<String, JsonNode> declaredSpecial() {
        var tokens = new LinkedHashMap<String, JsonNode>();
        var names = specialTokens();
        for (var key : STANDARD) {
            for (var file : List.of(tokenizer, special)) {
                tokens.putIfAbsent(name(file.get(key)), file.get(key));
            }
            tokens.putIfAbsent(names.getOrDefault(key, ""), MissingNode.getInstance());
        }
        names.values().forEach(name -> tokens.putIfAbsent(name, MissingNode.getInstance()));
        further().forEach(token -> tokens.putIfAbsent(name(token), token));
        tokens.remove("");
        return tokens;
    }

    /// A token is its name, or an object with attributes. Anything else has no name.
    private static String name(JsonNode token) {
        var name = token.isObject() ? token.path("content") : token;
        return name.isTextual() ? name.textValue() : "";
    }

    /// The class that reads the tokenizer in transformers, without the ending of its fast form.
    String tokenizerClass() {
        return tokenizer.get("tokenizer_class").asText().replaceFirst("Fast$", "");
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

    /// The chat template: a file of its own, or else a part of `tokenizer_config.json` or `chat_template.json`; null if
    /// there is none.
    @Nullable
    public Template template() throws IOException {
        var own = folder.resolve(TEMPLATE);
        if (Files.exists(own)) {
            return unlessBlank(
                    own, TEMPLATE, new String(JsonFile.bytes(own, MAX_TEMPLATE_BYTES), StandardCharsets.UTF_8));
        }
        var node = tokenizer.get("chat_template");
        if (node.isMissingNode() || node.isNull()) {
            node = processor.get("chat_template");
        }
        return unlessBlank(tokenizer.file(), "chat_template", source(node));
    }

    /// The template for conversations with tools, which some models have beside the other one; null if
    /// there is none.
    @Nullable
    public Template templateForTools() throws IOException {
        var own = folder.resolve(TOOL_TEMPLATE);
        if (Files.exists(own)) {
            return unlessBlank(
                    own, TOOL_TEMPLATE, new String(JsonFile.bytes(own, MAX_TEMPLATE_BYTES), StandardCharsets.UTF_8));
        }
        if (Files.exists(folder.resolve(TEMPLATE))) {
            return null;
        }
        var named = named(tokenizer.get("chat_template"));
        return named.size() == 1
                ? null
                : unlessBlank(tokenizer.file(), "chat_template", named.getOrDefault(TOOL_USE, ""));
    }

    private static @Nullable Template unlessBlank(Path file, String name, String source) {
        return source.isBlank() ? null : new Template(file, name, source);
    }

    /// The template itself, or the one for conversations without tools.
    private String source(JsonNode node) throws ModelFileException {
        if (!node.isContainerNode()) {
            return node.asText("");
        }
        var named = named(node);
        var only = named.size() == 1 ? named.values().iterator().next() : named.isEmpty() ? "" : null;
        var source = named.getOrDefault("default", only);
        if (source == null) {
            throw tokenizer.problem(
                    "chat_template", "has " + String.join(", ", named.keySet()) + "; expected one named default");
        }
        return source;
    }

    private static Map<String, String> named(JsonNode node) {
        var named = new LinkedHashMap<String, String>();
        if (node.isArray()) {
            node.forEach(one ->
                    named.put(one.path("name").asText(), one.path("template").asText()));
        } else {
            node.properties()
                    .forEach(one -> named.put(one.getKey(), one.getValue().asText()));
        }
        return named;
    }

    /// @param name its name in the file, for messages
    public record Template(Path file, String name, String source) {}
}
