package dev.llmworker.text.chat;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.text.TinyVocabularies;
import dev.llmworker.text.hub.HubTokenizer;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.GgufFile;
import dev.llmworker.weights.Safetensors;
import dev.llmworker.weights.SafetensorsFolder;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Templates see what they see in transformers.
class JinjaChatTemplateTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int QWEN = 3;
    private static final ChatMessage SYSTEM = new ChatMessage("system", "be brief");
    private static final ChatMessage USER = ChatMessage.user("say hi");
    private static final ChatMessage ASSISTANT = new ChatMessage("assistant", "hi");

    @TempDir
    private Path directory;

    private final Map<String, @Nullable Object> config = new HashMap<>();

    private @Nullable ChatTemplate template() throws IOException {
        try (var stream = JinjaChatTemplateTest.class.getResourceAsStream("/golden/hub_tokens.json")) {
            var golden = JSON.readTree(stream).get(QWEN);
            new SafetensorsFolder(golden.get("size").asInt()).write(directory);
            JSON.writeValue(directory.resolve("tokenizer.json").toFile(), golden.get("tokenizer"));
        }
        JSON.writeValue(directory.resolve("tokenizer_config.json").toFile(), config);
        try (var model = StoredModel.open(directory)) {
            return JinjaChatTemplate.of(model, HubTokenizer.of((Safetensors) model));
        }
    }

    private String rendered(String source, ChatMessage... messages) throws IOException {
        config.put("chat_template", source);
        return Objects.requireNonNull(template()).render(List.of(messages), List.of(), Map.of());
    }

    @Test
    void aMessagesMembersAreInOrder() throws IOException {
        assertEquals("[{\"role\": \"user\", \"content\": \"say hi\"}]", rendered("{{ messages | tojson }}", USER));
    }

    @Test
    void toolsAndDocumentsAreNone() throws IOException {
        assertEquals(
                "none none defined say hi",
                rendered(
                        "{{ 'none' if tools is none }} {{ 'none' if documents is none }}"
                                + "{{ ' defined' if tools is defined }} {{ messages[0].content }}",
                        USER));
    }

    /// Where transformers' null makes it fail.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for tool in tools %}{{ tool }}{% endfor %}",
                "{{ 'few' if documents | length == 0 }}",
                "{{ bos_token + '' }}",
                "{% if tools | length > 0 %}{{ tools[0] }}{% endif %}{{ eos_token + bos_token }}"
            })
    void aTemplateThatNeedsAValueGetsAnEmptyOne(String source) throws IOException {
        var text = rendered(source + "{% for message in messages %}[{{ message.content }}]{% endfor %}", SYSTEM, USER);
        assertTrue(text.endsWith("[be brief][say hi]"), text);
    }

    /// As in transformers.
    @Test
    void conversationsWithToolsHaveATemplateOfTheirOwn() throws IOException {
        config.put(
                "chat_template",
                List.of(
                        Map.of("name", "default", "template", "{{ messages[0].content }}"),
                        Map.of(
                                "name",
                                "tool_use",
                                "template",
                                "{% for tool in tools %}{{ tool.function.name }} {% endfor %}{% for message in messages %}"
                                        + "{{ message.content }}{% for call in message.tool_calls %}<tool_call>\n"
                                        + "{{ call.function | tojson }}\n</tool_call>{% endfor %}{% endfor %}")));
        var template = Objects.requireNonNull(template());
        assertEquals("hermes", template.forms().tools().name());
        assertTrue(template.knowsTools());
        assertEquals("say hi", template.render(List.of(USER), List.of(), Map.of()));
        assertEquals("clock say hi", template.render(List.of(USER), List.of(new Tool("clock", "")), Map.of()));
    }

    /// The model thinks, with tools or without, though only one of its templates says so.
    @Test
    void eitherTemplateOfAPairMaySayHowTheModelThinks() throws IOException {
        var thinking = "{{ messages[0].content }}<think>";
        var calling = "{% for call in messages[0].tool_calls %}<tool_call>\n{{ call.function | tojson }}\n</tool_call>"
                + "{% endfor %}{{ tools | tojson }}";
        for (var templates : List.of(List.of(thinking, calling), List.of("plain", calling + thinking))) {
            config.put(
                    "chat_template",
                    List.of(
                            Map.of("name", "default", "template", templates.get(0)),
                            Map.of("name", "tool_use", "template", templates.get(1))));
            var forms = Objects.requireNonNull(template()).forms();
            assertEquals("hermes", forms.tools().name());
            assertEquals("<think>", Objects.requireNonNull(forms.reasoning()).begin());
        }
    }

    @Test
    void specialTokensHaveTheirNames() throws IOException {
        config.put("pad_token", "<|endoftext|>");
        config.put("unk_token", Map.of("__type", "AddedToken", "content", "<|im_start|>"));
        config.put("eos_token", "<|im_end|>");
        config.put("additional_special_tokens", List.of("<|im_start|>"));
        assertEquals(
                "<|endoftext|> <|im_start|> <|im_end|> False False ['<|im_start|>']",
                rendered(
                        "{{ pad_token }} {{ unk_token }} {{ eos_token }} {{ bos_token is defined }}"
                                + " {{ sep_token is defined }} {{ additional_special_tokens }}",
                        USER));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for message in messages %}[{{ message['content'] }}]{% endfor %}",
                "{% for message in messages %}[{{ message['content'][0]['text'] }}]{% endfor %}",
                "{% for message in messages %}[{% for part in message.content %}{{ part.text }}{% endfor %}]{% endfor %}",
                "{% for message in messages %}[{% for part in message.content %}{% if part.type == 'text' %}"
                        + "{{ part.text | trim }}{% endif %}{% endfor %}]{% endfor %}",
                "{% for message in messages %}[{% if message.content is string %}{{ message.content }}{% else %}"
                        + "{{ message.content[0].text }}{% endif %}]{% endfor %}",
                "{% for message in messages %}[{{ message.content[0].text if message.role == 'user' else message.content }}]"
                        + "{% endfor %}",
                "{% for message in messages %}[{{ message.content if message.role == 'user' else message.content[0].text }}]"
                        + "{% endfor %}"
            })
    void contentHasTheFormThatTheTemplateReads(String source) throws IOException {
        assertEquals("[be brief][say hi][hi][say hi]", rendered(source, SYSTEM, USER, ASSISTANT, USER));
    }

    @Test
    void aTemplateMayRefuseSomeConversations() throws IOException {
        var systemFirst = "{% if messages[0].role != 'system' %}{{ raise_exception('system first!') }}{% endif %}"
                + "{% for message in messages %}[{{ message.content[0].text }}]{% endfor %}";
        var refused = assertThrows(IllegalArgumentException.class, () -> rendered(systemFirst, USER));
        assertEquals("the model's chat template rejects the messages: system first!", refused.getMessage());
        assertEquals("[be brief][say hi]", rendered(systemFirst, SYSTEM, USER));

        var none = "{{ raise_exception('tools only') }}";
        assertTrue(String.valueOf(assertThrows(IllegalArgumentException.class, () -> rendered(none, USER))
                        .getMessage())
                .endsWith("tools only"));

        var second = "{{ messages[1].content.upper() }}";
        assertEquals("SAY HI", rendered(second, SYSTEM, USER));
        assertThrows(IllegalArgumentException.class, () -> rendered(second, USER));
    }

    @Test
    void aTemplateThatAlwaysFailsIsRefusedWithTheModel() {
        config.put("chat_template", "{{ messages | groupby('role') }}");
        var refused = assertThrows(ModelFileException.class, this::template);
        assertTrue(String.valueOf(refused.getMessage())
                .startsWith("tokenizer_config.json: chat_template cannot be used: "));
    }

    @Test
    void aTemplateMustNotWriteATokenWithoutAnEmbedding() {
        config.put("additional_special_tokens", List.of("<a>", "<b>", "<c>", "<d>", "<e>", "<|new|>"));
        config.put("chat_template", "<|new|>{{ messages[0].content }}");
        var refused = assertThrows(ModelFileException.class, this::template);
        assertEquals(
                "tokenizer_config.json: chat_template writes <|new|>, a token for which the model has no embedding",
                refused.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " \n"})
    void anEmptyTemplateIsNone(String source) throws IOException {
        config.put("chat_template", source);
        assertNull(template());
        Files.writeString(directory.resolve("chat_template.jinja"), source);
        assertNull(template());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " \n"})
    void anEmptyTemplateOfAGgufIsNoneToo(String source) throws IOException {
        var file = new GgufFile()
                .string("general.architecture", "llama")
                .string("tokenizer.chat_template", source)
                .write(directory.resolve("empty.gguf"));
        try (var model = Gguf.open(file)) {
            assertNull(JinjaChatTemplate.of(
                    model, TinyVocabularies.byteLevel("smollm").tokenizer()));
        }
    }

    @Test
    void aGgufHasItsTemplateForToolsUnderAnotherKey() throws IOException {
        var file = new GgufFile()
                .string("general.architecture", "llama")
                .string("tokenizer.chat_template", "plain {{ messages[0].content }}")
                .string(
                        "tokenizer.chat_template.tool_use",
                        "{% for tool in tools %}{{ tool.function.name }}{% endfor %}{{ messages[0].content }}<tool_call>")
                .write(directory.resolve("two.gguf"));
        try (var model = Gguf.open(file)) {
            var template = Objects.requireNonNull(JinjaChatTemplate.of(
                    model, TinyVocabularies.byteLevel("smollm").tokenizer()));
            assertEquals("plain say hi", template.render(List.of(USER), List.of(), Map.of()));
            assertEquals(
                    "clocksay hi<tool_call>", template.render(List.of(USER), List.of(new Tool("clock", "")), Map.of()));
        }
    }

    @Test
    void ofSeveralTemplatesTheDefaultIsTaken() throws IOException {
        var plain = Map.of("name", "default", "template", "plain {{ messages[0].content }}");
        var tools = Map.of("name", "tool_use", "template", "tools {{ messages[0].content }}");
        config.put("chat_template", List.of(tools, plain));
        assertEquals("plain say hi", Objects.requireNonNull(template()).render(List.of(USER), List.of(), Map.of()));
        config.put("chat_template", Map.of("default", "plain", "tool_use", "tools"));
        assertEquals("plain", Objects.requireNonNull(template()).render(List.of(USER), List.of(), Map.of()));
        config.put("chat_template", List.of(tools));
        assertEquals("tools say hi", Objects.requireNonNull(template()).render(List.of(USER), List.of(), Map.of()));
        config.put("chat_template", Map.of("rag", "rag", "tool_use", "tools"));
        assertThrows(ModelFileException.class, this::template);
    }

    @Test
    void aTemplateMayStandInFilesOfItsOwn() throws IOException {
        Files.writeString(
                directory.resolve("chat_template.json"), "{\"chat_template\": \"json {{ messages[0].content }}\"}");
        assertEquals("json say hi", Objects.requireNonNull(template()).render(List.of(USER), List.of(), Map.of()));
        assertEquals("config say hi", rendered("config {{ messages[0].content }}", USER));
        Files.writeString(directory.resolve("chat_template.jinja"), "jinja {{ messages[0].content }}");
        assertEquals("jinja say hi", Objects.requireNonNull(template()).render(List.of(USER), List.of(), Map.of()));
    }
}
