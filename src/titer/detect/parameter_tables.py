"""Which parameters each dialect may carry: what is not named here does not pass.

Four kinds, by what a parameter does to what leaks, not by who invented it:

    PLAIN    harmless whatever its value: passed without being looked at
    CHECKED  passes after its value was looked at (`parameter_policy` holds the checks)
    CLOSED   known to leak, or to steer the engine: needs the grant named beside it
    unknown  everything else, however close its spelling is to a known name

Names follow the request schemas of the OpenAI and Anthropic SDKs and of the vLLM, SGLang, TGI
and llama.cpp servers. A new engine parameter is unknown, hence dropped, until it is added here.
"""

from __future__ import annotations

#: Grants that open classes of closed parameters; `titer keys create --grant NAME` gives one.
GRANTS: dict[str, str] = {
    "logprobs": "more alternatives and finer log-probabilities (never together with logit_bias)",
    "prompt_logprobs": "log-probabilities of the prompt, echo with log-probabilities",
    "tokens": "token ids and engine internals in replies, token ids in place of messages",
    "guided": "guided decoding and token constraints: each is a logit_bias by another name",
    "pooling": "pooling parameters of embedding and reward models",
    "engine": "parameters that steer the engine itself: adapters, caches, priority, templates",
    "background": "answers that are fetched later, outside the stream that is watched",
}

#: Sampling knobs of vLLM, SGLang, TGI and llama.cpp that only reshape the served distribution.
_SAMPLING_EXTRAS = frozenset(
    {
        "top_k", "min_p", "top_a", "typical_p", "repetition_penalty", "repetition_detection",
        "length_penalty", "early_stopping", "min_tokens", "stop_token_ids", "no_stop_trim",
        "include_stop_str_in_output", "do_sample", "mirostat", "mirostat_tau", "mirostat_eta",
        "dynatemp_range", "dynatemp_exponent", "xtc_probability", "xtc_threshold",
        "dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n", "repeat_penalty",
        "repeat_last_n", "truncate_prompt_tokens", "truncation_side", "add_generation_prompt",
        "continue_final_message", "stream_interval", "include_reasoning", "separate_reasoning",
        "stream_reasoning", "thinking_token_budget", "session_id",
    }
)  # fmt: skip

_COMMON = frozenset(
    {
        "model", "stream", "max_tokens", "temperature", "top_p", "presence_penalty",
        "frequency_penalty", "seed", "stop", "user",
    }
)  # fmt: skip

#: Values of these are looked at; shared by the OpenAI dialects that generate text.
_WATCHED = frozenset({"n", "best_of", "logprobs", "logit_bias", "stream_options"})

#: name -> grant. One table for all dialects: a name closed in one is closed in all, unless the
#: dialect lists it as plain or checked.
CLOSED: dict[str, str] = {
    # what a reply would reveal about the prompt's or any token's probability
    **dict.fromkeys(
        (
            "prompt_logprobs", "logprob_token_ids", "token_ids_logprob", "logprob_start_len",
            "top_logprobs_num", "return_logprob", "return_text_in_logprobs", "n_probs",
            "post_sampling_probs", "decoder_input_details", "details", "top_n_tokens", "echo",
        ),
        "prompt_logprobs",
    ),
    # token ids, hidden states, templates: the inside of the model or of its serving
    **dict.fromkeys(
        (
            "return_token_ids", "return_tokens_as_token_ids", "return_prompt_token_ids",
            "return_prompt_text", "return_token_offsets", "return_tokens", "return_mm_kwargs",
            "return_hidden_states", "hidden_states", "return_routed_experts",
            "routed_experts_start_len", "routed_experts_prompt_start", "return_meta_info",
            "return_cached_tokens_details", "detokenize", "skip_special_tokens",
            "spaces_between_special_tokens", "input_ids", "prompt_token_ids", "prompt_embeds",
            "return_full_text", "return_bytes", "return_entropy", "logprobs_mode",
            "timings_per_token", "return_progress",
        ),
        "tokens",
    ),
    # constraints on tokens: two allowed tokens compare two logits
    **dict.fromkeys(
        (
            "guided_json", "guided_regex", "guided_choice", "guided_grammar",
            "guided_decoding_backend", "guided_whitespace_pattern", "guided_decoding",
            "structured_outputs", "structural_tag", "regex", "ebnf", "grammar", "json_schema",
            "grammar_type", "stop_regex", "allowed_token_ids", "bad_words", "bad_words_ids",
            "force_words_ids",
        ),
        "guided",
    ),
    **dict.fromkeys(
        (
            "pooling", "pooling_params", "pooling_method", "pooling_type", "normalize",
            "activation", "softmax", "use_activation", "embed_dtype", "endianness", "task",
            "additional_data", "step_tag_id", "returned_token_ids",
        ),
        "pooling",
    ),
    # the engine itself: code, adapters, caches, peers, schedules, templates
    **dict.fromkeys(
        (
            "vllm_xargs", "kv_transfer_params", "ec_transfer_params", "lora",
            "lora_path", "lora_request", "adapter_id", "bootstrap_host", "bootstrap_port",
            "bootstrap_room", "routed_dp_rank", "disagg_prefill_dp_rank", "data_parallel_rank",
            "session_params", "ngram_corpus_id", "custom_labels", "extra_key", "cache_salt",
            "cache_prompt", "id_slot", "samplers", "priority", "request_id", "rid",
            "chat_template", "documents", "ignore_eos", "use_beam_search", "add_special_tokens",
            "mm_processor_kwargs", "media_io_kwargs", "images_config", "max_dynamic_patch",
            "min_dynamic_patch", "use_audio_in_video", "keep_alive", "options", "template", "raw",
            "fallbacks", "fallback_credit_token", "access_programs",
        ),
        "engine",
    ),
    **dict.fromkeys(("background", "background_options"), "background"),
}  # fmt: skip

#: What no grant opens: it would let a caller choose, turn off or hand over the mark in its replies
#: (vLLM's `watermarking`, SGLang's `watermark`), or run code in the engine that could.
MARKS = frozenset(
    {
        "watermark", "watermarking", "watermark_config", "watermarking_config", "watermark_key",
        "custom_logit_processor", "custom_params", "logits_processors", "logit_processors",
    }
)  # fmt: skip

#: Members of `vllm_xargs` that are ours: taken out of what a caller with the grant `engine` sends.
OURS = "titer_"

#: What `sampling_params` of SGLang's own routes may hold; a logit_bias in there is not counted by
#: anybody, hence it is not in the list.
_SAMPLING_PARAMS = _SAMPLING_EXTRAS | {
    "max_new_tokens", "min_new_tokens", "temperature", "top_p", "stop", "frequency_penalty",
    "presence_penalty", "seed", "sampling_seed",
}  # fmt: skip

PLAIN: dict[str, frozenset[str]] = {
    # a list of models has no body
    "openai.models": frozenset(),
    # engines' own routes, where the operator opened any
    "engine.extras": frozenset(
        {
            "model", "text", "prompt", "input", "inputs", "query", "queries", "documents", "items",
            "text_1", "text_2", "messages", "tools", "stream", "max_tokens", "temperature",
            "top_p", "top_k", "stop", "tokens", "top_n", "labels", "user",
        }
    ),
    "openai.chat": _COMMON
    | _SAMPLING_EXTRAS
    | {
        "messages", "max_completion_tokens", "audio", "function_call", "functions", "metadata",
        "modalities", "moderation", "parallel_tool_calls", "prediction", "prompt_cache_key",
        "prompt_cache_options", "prompt_cache_retention", "reasoning_effort", "safety_identifier",
        "service_tier", "store", "tool_choice", "tools", "verbosity", "web_search_options",
    },
    "openai.completions": _COMMON | _SAMPLING_EXTRAS | {"prompt", "suffix"},
    "openai.embeddings": frozenset(
        {
            "model", "input", "user", "dimensions", "encoding_format", "truncate_prompt_tokens",
            "truncation_side",
        }
    ),
    "openai.responses": frozenset(
        {
            "model", "input", "instructions", "stream", "temperature", "top_p", "user", "metadata",
            "max_output_tokens", "max_tool_calls", "parallel_tool_calls", "conversation",
            "context_management", "moderation", "previous_response_id", "prompt", "image",
            "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
            "safety_identifier", "service_tier", "store", "tool_choice", "tools", "truncation",
            "multi_agent",
        }
    ),
    "anthropic.messages": frozenset(
        {
            "model", "messages", "max_tokens", "system", "temperature", "top_p", "top_k",
            "stop_sequences", "stream", "metadata", "tools", "tool_choice", "thinking",
            "service_tier", "container", "mcp_servers", "context_management", "output_config",
            "output_format", "cache_control", "inference_geo", "speed", "betas", "diagnostics",
            "user_profile_id", "workspace_id", "compaction", "thread", "billing_policy",
        }
    ),
    "anthropic.count_tokens": frozenset(
        {
            "model", "messages", "system", "tools", "tool_choice", "thinking", "mcp_servers",
            "context_management", "output_config", "output_format", "cache_control", "speed",
            "betas", "user_profile_id", "workspace_id", "compaction", "billing_policy",
        }
    ),
}  # fmt: skip

CHECKED: dict[str, frozenset[str]] = {
    "openai.models": frozenset(),
    "engine.extras": frozenset({"sampling_params", "n"}),
    "openai.chat": _WATCHED
    | {"top_logprobs", "response_format", "chat_template_kwargs", "reasoning"},
    "openai.completions": _WATCHED | {"echo", "response_format"},
    "openai.embeddings": frozenset(),
    "openai.responses": frozenset(
        {"top_logprobs", "include", "text", "reasoning", "stream_options"}
    ),
    "anthropic.messages": frozenset(),
    "anthropic.count_tokens": frozenset(),
}

#: Members that pass inside an object, by the parameter that holds it.
MEMBERS: dict[str, frozenset[str]] = {
    "stream_options": frozenset(
        {"include_usage", "include_obfuscation", "continuous_usage_stats"}
    ),
    "text": frozenset({"format", "verbosity"}),
    "reasoning": frozenset(
        {"effort", "summary", "generate_summary", "context", "mode", "enabled", "max_tokens",
         "exclude"}
    ),
    "chat_template_kwargs": frozenset({"enable_thinking", "thinking", "reasoning_effort"}),
    "sampling_params": _SAMPLING_PARAMS,
}  # fmt: skip

#: What `include` of the responses dialect may name besides log-probabilities.
INCLUDABLE = frozenset(
    {
        "file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
        "message.input_image.image_url", "computer_call_output.output.image_url",
        "code_interpreter_call.outputs", "reasoning.encrypted_content",
    }
)  # fmt: skip

#: The member of `include` that asks for log-probabilities.
INCLUDE_LOGPROBS = "message.output_text.logprobs"

#: Kinds of structured output that pass without the grant `guided`.
FORMATS = frozenset({"text", "json_object", "json_schema"})
